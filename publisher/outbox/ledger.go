package outbox

// ledger is what is to be written down about messages.
type ledger struct {
	confirmed []any // their numbers
	failed    []failure
	settled   int // how many it has had
}

// failure is what is written down about a message that was not confirmed.
type failure struct {
	seq      int64
	state    int
	dueAt    int64
	failedAt int64
	text     string
}

func (l *ledger) confirm(s stored) {
	l.confirmed = append(l.confirmed, s.seq)
	l.settled++
}

func (l *ledger) fail(f failure) {
	l.failed = append(l.failed, f)
	l.settled++
}

func (l *ledger) isEmpty() bool { return len(l.confirmed)+len(l.failed) == 0 }

// clear is for what was written down.
func (l *ledger) clear() { *l = ledger{settled: l.settled} }

package outbox

import (
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// ledger is what is to be written down about messages.
type ledger struct {
	confirmed []any // their numbers
	failed    []failure
	postponed []postponement
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

// postponement is that messages which were not sent are due later. They have not failed.
type postponement struct {
	seqs  []any
	dueAt int64
	text  string
}

func (l *ledger) confirm(s stored) {
	l.confirmed = append(l.confirmed, s.seq)
	l.settled++
}

func (l *ledger) fail(f failure) {
	l.failed = append(l.failed, f)
	l.settled++
}

func (l *ledger) postpone(to processor.Destination, due time.Time, rows ...stored) {
	if len(rows) == 0 {
		return
	}
	p := postponement{dueAt: due.UnixMilli(), text: excerpt.Of("not sent: "+to.String()+" does not answer, while others do", 1000)}
	for _, s := range rows {
		p.seqs = append(p.seqs, s.seq)
	}
	l.postponed = append(l.postponed, p)
	l.settled += len(rows)
}

func (l *ledger) isEmpty() bool { return len(l.confirmed)+len(l.failed)+len(l.postponed) == 0 }

// clear is for what was written down.
func (l *ledger) clear() { *l = ledger{settled: l.settled} }

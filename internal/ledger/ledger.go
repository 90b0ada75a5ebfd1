// Package ledger counts a stream of numbered messages, for examples and tests
// that break a broker meanwhile: which are confirmed, which were processed and how often,
// and the longest time without a message.
package ledger

import (
	"fmt"
	"sync"
	"time"
)

// Ledger counts one stream. Its methods may be called by many goroutines at once.
type Ledger struct {
	mu        sync.Mutex
	messages  []message // by number
	counts    Books
	published beat
	processed beat
}

// message is the state of one message.
type message struct {
	confirmed bool
	processed int
}

// Books are the counts of a stream at one moment.
type Books struct {
	Sent       int           // publishes begun
	InFlight   int           // of them not answered
	Confirmed  int           // the broker has them
	Failed     int           // publishes that returned an error: the broker may or may not have the message
	Processed  int           // different messages
	Again      int           // processed again, each time
	Missing    int           // confirmed and not processed: lost, if none is on its way any more
	PublishGap time.Duration // the longest time without a confirm since [Ledger.Mark]
	ProcessGap time.Duration // the longest time without a new message, since then
}

// String returns the counts in one line.
func (b Books) String() string {
	return fmt.Sprintf("sent %d, in flight %d, confirmed %d, failed %d, processed %d, again %d, missing %d, longest gap: publishing %v, consuming %v",
		b.Sent, b.InFlight, b.Confirmed, b.Failed, b.Processed, b.Again, b.Missing,
		b.PublishGap.Round(time.Millisecond), b.ProcessGap.Round(time.Millisecond))
}

// New returns an empty ledger. The gaps are measured from now on.
func New() *Ledger {
	l := &Ledger{}
	l.Mark()
	return l
}

// Send begins a message and returns its number, from 0.
func (l *Ledger) Send() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, message{})
	l.counts.Sent++
	l.counts.InFlight++
	return len(l.messages) - 1
}

// Answer records what Publish has returned for message n. It is called once for each.
func (l *Ledger) Answer(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.messages[n]
	l.counts.InFlight--
	if err != nil {
		l.counts.Failed++
		return
	}
	m.confirmed = true
	l.counts.Confirmed++
	if m.processed == 0 {
		l.counts.Missing++
	}
	l.published.now()
}

// Process records that message n was processed.
func (l *Ledger) Process(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.messages[n]
	m.processed++
	if m.processed > 1 {
		l.counts.Again++
		return
	}
	l.counts.Processed++
	if m.confirmed {
		l.counts.Missing--
	}
	l.processed.now()
}

// Missing returns how many of the first n messages are confirmed and not processed.
func (l *Ledger) Missing(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for _, m := range l.messages[:n] {
		if m.confirmed && m.processed == 0 {
			missing++
		}
	}
	return missing
}

// Mark restarts the measuring of gaps.
func (l *Ledger) Mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.published, l.processed = beat{last: now}, beat{last: now}
}

// Books returns the counts of the stream. A gap that is not over counts.
func (l *Ledger) Books() Books {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.counts
	now := time.Now()
	b.PublishGap, b.ProcessGap = l.published.gap(now), l.processed.gap(now)
	return b
}

// beat measures the longest time between two events.
type beat struct {
	last    time.Time
	longest time.Duration
}

func (b *beat) now() {
	now := time.Now()
	b.longest, b.last = b.gap(now), now
}

func (b *beat) gap(now time.Time) time.Duration { return max(b.longest, now.Sub(b.last)) }

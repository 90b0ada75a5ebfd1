// Package acks keeps the books of the deliveries of one channel, and sends their settlements.
//
// Acks travel together: the finished deliveries, from the oldest on without a gap, are acked by one
// basic.ack with multiple=true. It is sent when a batch is full, when a Receive begins to wait with
// the prefetch used up ([Ledger.FlushFull]), or a moment after the first ack of the batch. Finished
// deliveries above an unfinished one are then acked singly, so a slow handler delays no other ack.
// [Ledger.Ack] therefore returns before the broker has the ack. When the process or the connection
// ends at that moment, those messages are redelivered.
//
// An ack with multiple=true acks everything outstanding below its tag. So it is never sent for a
// tag below which any delivery is unfinished: received, buffered by the client, or about to be
// rejected.
package acks

import (
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
)

const (
	// maxBatch is how many acks travel together at most.
	maxBatch = 64
	// maxDelay is how long an ack waits for others at most, if all before it are finished.
	maxDelay = 2 * time.Millisecond
	// moreDelay is how much longer it waits at most above an unfinished one.
	moreDelay = time.Millisecond
)

// Wire sends settlements on the channel. An amqp091.Channel is one.
type Wire interface {
	Ack(tag uint64, multiple bool) error
	Nack(tag uint64, multiple, requeue bool) error
	Reject(tag uint64, requeue bool) error
}

// Options of a ledger.
type Options struct {
	// Prefetch is how many deliveries may be outstanding. A batch is at most a quarter of it,
	// and no more than half of it waits, so that the broker has something to send meanwhile.
	Prefetch int
	// Singly has each ack sent at once.
	Singly bool
	// Ordered makes what is released during a pause wait until all is requeued in order.
	Ordered bool
}

// Ledger knows the deliveries that the broker waits for a settlement of, and holds M for each
// received one. It may be used concurrently.
type Ledger[M any] struct {
	wire     Wire
	batch    int
	ordered  bool
	prefetch int

	mu     sync.Mutex
	closed error // why nothing more is sent
	paused bool
	full   int           // how many may be outstanding
	idle   chan struct{} // closed when nothing is in flight; nil if Pause does not wait

	book     book[M]
	inHand   int // received, and not settled
	finished int // acked, and not sent yet
	timer    *time.Timer
	ticking  bool
	due      uint64 // what is finished up to this tag has waited for maxDelay
}

// New returns the ledger of a new channel. Its tags count from 1.
func New[M any](wire Wire, o Options) *Ledger[M] {
	l := &Ledger[M]{wire: wire, ordered: o.Ordered, prefetch: o.Prefetch, full: o.Prefetch, batch: min(maxBatch, o.Prefetch/4)}
	if o.Singly || l.batch < 2 {
		l.batch = 1
	}
	return l
}

// Came notes a delivery that was not received.
func (l *Ledger[M]) Came(tag uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.reach(tag)
}

// Receive notes that a delivery is received, as m. It returns false if the ledger is paused or
// closed.
func (l *Ledger[M]) Receive(tag uint64, m M) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.reach(tag)
	if l.paused || l.closed != nil {
		return false
	}
	i, ok := l.book.find(tag)
	if !ok {
		return false
	}
	e := &l.book.outstanding()[i]
	e.state, e.message = received, m
	l.inHand++
	return true
}

// Ack finishes a delivery. The broker has the ack a moment later.
func (l *Ledger[M]) Ack(tag uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, err := l.settle(tag)
	if err != nil {
		return err
	}
	if l.batch == 1 {
		return l.sent(i, l.wire.Ack(tag, false))
	}
	l.book.outstanding()[i].state = finished
	l.finished++
	prefix := l.book.prefix()
	switch {
	case prefix >= l.batch:
		return l.flushPrefix()
	case 2*l.finished >= l.full:
		if err := l.flushPrefix(); err != nil || 2*l.finished < l.full {
			return err
		}
		return l.flush()
	}
	l.tick()
	return nil
}

// Nack rejects a delivery, at once.
func (l *Ledger[M]) Nack(tag uint64, requeue bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, err := l.settle(tag)
	if err != nil {
		return err
	}
	return l.sent(i, l.wire.Reject(tag, requeue))
}

// Release requeues a delivery untouched, at once. During the pause of an ordered ledger it waits,
// to be requeued with all others.
func (l *Ledger[M]) Release(tag uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, err := l.settle(tag)
	if err != nil {
		return err
	}
	if l.ordered && l.paused {
		l.book.outstanding()[i].state = released
		return nil
	}
	return l.sent(i, l.wire.Nack(tag, false, true))
}

// settle ends the flight of a delivery, and returns its place in the book. The caller decides its
// new state.
func (l *Ledger[M]) settle(tag uint64) (int, error) {
	if l.closed != nil {
		return 0, l.closed
	}
	i, ok := l.book.find(tag)
	if !ok {
		return 0, processor.ErrSettled
	}
	e := &l.book.outstanding()[i]
	switch e.state {
	case received:
		var none M
		e.message = none
		l.inHand--
		l.tellIdle()
	case released, finished:
		return 0, processor.ErrSettled
	}
	return i, nil
}

// sent notes that the settlement of a delivery was sent. With an error, the channel is broken.
func (l *Ledger[M]) sent(i int, err error) error {
	if err != nil {
		return l.fail(err)
	}
	l.book.remove(i)
	return nil
}

// fail ends all sending: a settlement that cannot be sent means the end of the channel, after which
// the broker redelivers what is outstanding.
func (l *Ledger[M]) fail(err error) error {
	l.closed = fmt.Errorf("%w: %w", processor.ErrStale, err)
	return l.closed
}

// Pause makes [Ledger.Receive] refuse. The channel that it returns is closed when nothing is in
// flight, or the ledger is resumed.
func (l *Ledger[M]) Pause() (idle <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = true
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle = l.idle
	l.tellIdle()
	return idle
}

func (l *Ledger[M]) tellIdle() {
	if l.idle != nil && l.inHand == 0 {
		close(l.idle)
		l.idle = nil
	}
}

// Resume lets [Ledger.Receive] go on. The broker sends as many deliveries as the prefetch allows
// beside those in flight. An ordered ledger is not resumed: its channel ends with the pause.
func (l *Ledger[M]) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = false
	l.full = l.prefetch + l.inHand
	if l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// Close sends what is finished, and ends all sending.
func (l *Ledger[M]) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return l.closed
	}
	err := l.flush()
	if l.closed == nil {
		l.closed = processor.ErrStale
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	return err
}

// Full reports whether the prefetch is used up, so that the broker sends nothing more.
func (l *Ledger[M]) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isFull()
}

func (l *Ledger[M]) isFull() bool { return len(l.book.outstanding()) >= l.full }

// Latest returns the latest tag that was noted.
func (l *Ledger[M]) Latest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book.latest
}

// Oldest returns the message in flight that was delivered first.
func (l *Ledger[M]) Oldest() (m M, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.book.in(received) {
		return e.message, true
	}
	return m, false
}

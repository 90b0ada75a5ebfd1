package pacing

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/processor"
)

// remembered bounds the messages that are counted.
const remembered = 1000

// How long a message is held before it goes back: the first time, and at most.
const (
	firstHold = 100 * time.Millisecond
	lastHold  = 5 * time.Second
)

// Returns counts how often messages go back to their queue. A queue redelivers them at once, to any
// worker, and a quorum queue gives one up after so many times. It remembers the latest 1,000
// messages, by id and body: messages that are equal count as one. Make it with [NewReturns]. It may
// be used by many goroutines at once.
type Returns struct {
	workers int64
	row     atomic.Int64 // messages in a row that went back
	seed    maphash.Seed

	mu     sync.Mutex
	counts map[uint64]int
	marks  [remembered]uint64 // those that are counted, the oldest at next
	next   int
}

// NewReturns returns one that has counted nothing, for so many workers.
func NewReturns(workers int) *Returns {
	return &Returns{workers: int64(workers), seed: maphash.MakeSeed(), counts: map[uint64]int{}}
}

// Hold notes that msg goes back, and waits before: 100 ms, doubling up to 5 s with each time, and between half and all
// of that, so that workers do not march in step. It ends early when one of the channels is closed.
func (r *Returns) Hold(msg processor.Message, pause, end, lost <-chan struct{}) {
	t := time.NewTimer(Jitter(Doubling(firstHold, lastHold, r.Count(msg))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-pause:
	case <-end:
	case <-lost:
	}
}

// Count notes that msg goes back, and returns how many times that is: of this message, here or as the
// broker counts, or of one message after the other on each worker.
func (r *Returns) Count(msg processor.Message) int {
	times := max(int64(r.count(r.mark(msg))), r.row.Add(1)/r.workers)
	if msg.Origin().Redelivered { // else it may be a sender's header
		counted, _ := msg.Headers().Int64("x-delivery-count")
		times = max(times, min(counted, remembered)+1)
	}
	return int(times)
}

// Settled notes that msg did not go back.
func (r *Returns) Settled(msg processor.Message) {
	r.row.Store(0)
	if !msg.Origin().Redelivered {
		return
	}
	m := r.mark(msg)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, m)
}

func (r *Returns) count(m uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts[m] == 0 {
		delete(r.counts, r.marks[r.next])
		r.marks[r.next] = m
		r.next = (r.next + 1) % remembered
	}
	r.counts[m]++
	return r.counts[m]
}

func (r *Returns) mark(msg processor.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(msg.Properties().ID) // none of them fails
	_ = h.WriteByte(0)
	_, _ = h.Write(msg.Body())
	return h.Sum64()
}

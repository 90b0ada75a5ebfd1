package pacing

import (
	"hash/maphash"
	"sync"
)

// remembered bounds the messages that are counted.
const remembered = 1000

// Returns counts how often messages have gone back to their queue. It remembers the latest 1,000.
// Make it with [NewReturns]. It may be used by many goroutines at once.
type Returns struct {
	seed maphash.Seed

	mu     sync.Mutex
	counts map[uint64]int
	marks  [remembered]uint64 // those that are counted, the oldest at next
	next   int
}

// NewReturns returns one that has counted nothing.
func NewReturns() *Returns {
	return &Returns{seed: maphash.MakeSeed(), counts: map[uint64]int{}}
}

// Count is how often the message of that id and body has gone back, this time included. Messages that
// are equal count as one.
func (r *Returns) Count(id string, body []byte) int {
	m := r.mark(id, body)
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

// Forget begins anew with the message of that id and body.
func (r *Returns) Forget(id string, body []byte) {
	m := r.mark(id, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, m)
}

func (r *Returns) mark(id string, body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(id) // none of them fails
	_ = h.WriteByte(0)
	_, _ = h.Write(body)
	return h.Sum64()
}

package queue

// ring is a queue of entries, in a slice that grows.
type ring struct {
	entries []*Entry
	start   int
	count   int
}

// keptCapacity is how large a ring may stay once it is empty.
const keptCapacity = 1024

func (r *ring) pushBack(e *Entry) {
	if r.count == len(r.entries) {
		grown := make([]*Entry, max(8, 2*r.count))
		n := copy(grown, r.entries[r.start:])
		copy(grown[n:], r.entries[:r.start])
		r.entries, r.start = grown, 0
	}
	r.entries[(r.start+r.count)%len(r.entries)] = e
	r.count++
}

// first returns the oldest entry without taking it; there must be one.
func (r *ring) first() *Entry { return r.entries[r.start] }

// popFront takes the oldest entry; there must be one.
func (r *ring) popFront() *Entry {
	e := r.entries[r.start]
	r.entries[r.start] = nil // for the garbage collector
	r.start = (r.start + 1) % len(r.entries)
	if r.count--; r.count == 0 && len(r.entries) > keptCapacity {
		*r = ring{}
	}
	return e
}

// Package deque is a queue in a ring that grows.
package deque

// Deque holds values in the order in which they were pushed. Its zero value is empty.
type Deque[T any] struct {
	ring  []T
	first int
	count int
}

// keptCapacity is how large a ring may stay once it is empty.
const keptCapacity = 1024

// Len returns how many values there are.
func (d *Deque[T]) Len() int { return d.count }

// PushBack adds a value behind all others.
func (d *Deque[T]) PushBack(v T) {
	if d.count == len(d.ring) {
		d.grow()
	}
	d.ring[(d.first+d.count)%len(d.ring)] = v
	d.count++
}

// Front returns the oldest value without taking it; the deque must not be empty.
func (d *Deque[T]) Front() T { return d.ring[d.first] }

// PopFront takes the oldest value; the deque must not be empty.
func (d *Deque[T]) PopFront() T {
	var zero T
	v := d.ring[d.first]
	d.ring[d.first] = zero // for the garbage collector
	d.first = (d.first + 1) % len(d.ring)
	d.count--
	if d.count == 0 && len(d.ring) > keptCapacity {
		*d = Deque[T]{}
	}
	return v
}

func (d *Deque[T]) grow() {
	ring := make([]T, max(8, 2*len(d.ring)))
	n := copy(ring, d.ring[d.first:])
	copy(ring[n:], d.ring[:d.first])
	d.ring, d.first = ring, 0
}

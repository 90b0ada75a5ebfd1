package memory

// deque is a queue in a ring that grows. Its zero value is empty.
type deque[T any] struct {
	ring  []T
	first int
	count int
}

// keptCapacity is how large a ring may stay once it is empty.
const keptCapacity = 1024

func (d *deque[T]) len() int { return d.count }

func (d *deque[T]) pushBack(v T) {
	if d.count == len(d.ring) {
		d.grow()
	}
	d.ring[(d.first+d.count)%len(d.ring)] = v
	d.count++
}

// front returns the oldest value without taking it; the deque must not be empty.
func (d *deque[T]) front() T { return d.ring[d.first] }

// popFront takes the oldest value; the deque must not be empty.
func (d *deque[T]) popFront() T {
	var zero T
	v := d.ring[d.first]
	d.ring[d.first] = zero // for the garbage collector
	d.first = (d.first + 1) % len(d.ring)
	d.count--
	if d.count == 0 && len(d.ring) > keptCapacity {
		*d = deque[T]{}
	}
	return v
}

func (d *deque[T]) grow() {
	ring := make([]T, max(8, 2*len(d.ring)))
	n := copy(ring, d.ring[d.first:])
	copy(ring[n:], d.ring[:d.first])
	d.ring, d.first = ring, 0
}

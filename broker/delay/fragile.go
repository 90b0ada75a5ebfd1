package delay

// Fragile is implemented by delayers whose queues hand a message on at most once: it is gone
// if its work queue is not there at that moment.
type Fragile interface {
	// Fragile reports whether they do.
	Fragile() bool
}

var (
	_ Fragile = (*steps)(nil)
	_ Fragile = (*ladder)(nil)
	_ Fragile = (*compatible)(nil)
)

// Fragile is true for classic queues.
func (c config) Fragile() bool { return c.classic }

// Fragile is true: the queues are classic.
func (*compatible) Fragile() bool { return true }

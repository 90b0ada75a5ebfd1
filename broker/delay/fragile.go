package delay

// Fragile is implemented by delayers whose queues dead-letter a message at most once: it is lost
// if its work queue is not there at that moment.
type Fragile interface {
	// Fragile reports whether the queues do.
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

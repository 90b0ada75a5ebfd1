package queue

import "github.com/gowarren/warren/broker/memory/internal/version"

// ready has the entries that wait for a consumer: first the requeued ones, then those never delivered.
type ready struct {
	returned sooner
	fresh    backlog
}

func newReady(p version.Priorities) ready { return ready{returned: requeued(), fresh: newBacklog(p)} }

func (r *ready) len() int { return r.returned.Len() + r.fresh.count }

// first returns the next entry without taking it, or nil.
func (r *ready) first() *Entry {
	switch {
	case r.returned.Len() > 0:
		return r.returned.first()
	case r.fresh.count > 0:
		return r.fresh.front()
	}
	return nil
}

// pop takes the next entry; there must be one.
func (r *ready) pop() *Entry {
	if r.returned.Len() > 0 {
		return r.returned.pop()
	}
	return r.fresh.popFront()
}

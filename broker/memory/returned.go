package memory

import "container/heap"

// returned holds the entries that were handed out and came back, first in order first.
// They go before everything that was never handed out, because queues hand out from
// the front: that is how a message gets its old place back without a search for it.
type returned []*entry

var _ heap.Interface = (*returned)(nil)

func (r returned) Len() int           { return len(r) }
func (r returned) Less(i, j int) bool { return r[i].order < r[j].order }
func (r returned) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *returned) Push(v any) {
	if e, ok := v.(*entry); ok { // nothing else is pushed
		*r = append(*r, e)
	}
}

// Pop is for container/heap.
func (r *returned) Pop() any {
	last := len(*r) - 1
	e := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return e
}

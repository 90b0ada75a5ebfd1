package queue

import "container/heap"

// returned is a heap of the requeued entries, by their order. They are delivered before all entries never delivered,
// which came after them: so a message gets its old place back without a search for it.
type returned []*Entry

var _ heap.Interface = (*returned)(nil)

func (r returned) Len() int           { return len(r) }
func (r returned) Less(i, j int) bool { return r[i].order < r[j].order }
func (r returned) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *returned) Push(v any) {
	if e, ok := v.(*Entry); ok { // nothing else is pushed
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

// delayed is a heap of the failed entries that wait for their next delivery, by the end of the wait.
type delayed struct{ returned }

func (d delayed) Less(i, j int) bool {
	if a, b := d.returned[i], d.returned[j]; !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return d.returned.Less(i, j)
}

package silent

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// rows are those messages to a destination in a row that were not answered. Who has one worker sends nothing to others while a
// message waits for its answer, only between two of them.
type rows map[processor.Destination]row

type row struct{ begun, ended time.Time }

// inARow is how soon after the end of one message the next is begun that belongs to the same row: a message that goes back to its
// queue is held for some seconds. A broker that was well only for a moment within that time is taken for one that was well.
const inARow = 10 * time.Second

// extend adds a message that was begun at a time, and ends now. It returns when the row has begun.
func (r rows) extend(to processor.Destination, begun time.Time) time.Time {
	now, before := time.Now(), r[to]
	if begun.Sub(before.ended) > inARow {
		before.begun = begun
	}
	r.set(to, row{before.begun, now})
	if begun.Before(before.begun) {
		return begun
	}
	return before.begun
}

// set replaces a row, and forgets those that are over.
func (r rows) set(to processor.Destination, latest row) {
	for other, o := range r {
		if latest.ended.Sub(o.ended) > inARow {
			delete(r, other)
		}
	}
	r[to] = latest
}

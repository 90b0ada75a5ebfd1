package xdeath

import (
	"math"
	"time"

	"github.com/gowarren/warren/processor"
)

// deaths are those of a message in one queue.
type deaths struct {
	count int64
	first time.Time // zero if unknown
}

// read adds up the entries of x-death for queue: one for each reason, in no defined order. A sender
// may have written any of them.
func read(h processor.Headers, queue string, now time.Time) deaths {
	var d deaths
	entries, _ := h.List("x-death")
	for _, entry := range entries {
		e := table(entry)
		if name, ok := e.String("queue"); ok && name == queue {
			d.add(e, now)
		}
	}
	return d
}

func (d *deaths) add(entry processor.Headers, now time.Time) {
	n, _ := entry.Int64("count")
	d.count += min(max(n, 0), math.MaxInt64-d.count)
	// The time is that of the entry's first death; later ones only count up.
	at, _ := entry.Time("time")
	if !at.IsZero() && !at.After(now) && (d.first.IsZero() || at.Before(d.first)) {
		d.first = at
	}
}

// table returns an entry, nil if it is none.
func table(entry any) processor.Headers {
	switch t := entry.(type) {
	case processor.Headers:
		return t
	case map[string]any:
		return t
	}
	return nil
}

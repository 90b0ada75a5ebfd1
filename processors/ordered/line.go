package ordered

import (
	"context"
	"hash/maphash"
	"sync"
)

// lines are the messages in hand, in a line for each key. A line is there as long as
// somebody stands in it.
//
// What is kept of a key is a hash with a seed of our own, and not the text, which may be
// long, or part of a body that would be kept with it. Two keys of one hash, which no sender
// can find, wait for one another without need; nobody waits for a later message, so
// nothing can wait in a circle.
type lines struct {
	seed maphash.Seed

	mu   sync.Mutex
	last map[uint64]*ticket // of each line
}

func newLines() *lines {
	return &lines{seed: maphash.MakeSeed(), last: map[uint64]*ticket{}}
}

// ticket is a place in a line. That of a message without a key is in no line.
type ticket struct {
	lines   *lines // nil: it is in no line
	key     uint64
	problem error         // why there is no key
	turn    chan struct{} // closed when the ticket is first in its line; nil if it was from the start

	// Guarded by lines.mu.
	before, behind *ticket
	left           bool
}

// join puts a new ticket at the end of the line of key.
func (l *lines) join(key string) *ticket {
	t := &ticket{lines: l, key: maphash.String(l.seed, key)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.last[t.key]; before != nil {
		t.turn = make(chan struct{})
		t.before, before.behind = before, t
	}
	l.last[t.key] = t
	return t
}

// wait returns nil when all that were before t have left, or ctx's error.
func (t *ticket) wait(ctx context.Context) error {
	if t.turn == nil {
		return nil
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
	}
	// Both may be true: at the end of a run the first in line returns because its context
	// has ended, which is ours too. What has not begun by then is not begun.
	return ctx.Err()
}

// leave takes t out of its line, from whatever place: one whose wait was cut short leaves
// before those that it waited for, and whoever is behind goes on waiting for them. A
// second call does nothing.
func (t *ticket) leave() {
	if t.lines == nil {
		return
	}
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	if t.left {
		return
	}
	t.left = true
	if t.before != nil {
		t.before.behind = t.behind
	}
	switch {
	case t.behind != nil:
		t.behind.before = t.before
		if t.before == nil {
			close(t.behind.turn)
		}
	case t.before != nil:
		t.lines.last[t.key] = t.before
	default:
		delete(t.lines.last, t.key)
	}
	// Whoever keeps the message's context keeps this ticket, and must not keep all that
	// ever stood behind it.
	t.before, t.behind = nil, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/retry"
)

// journal prints the life of each order as it happens, and counts.
type journal struct {
	mu    sync.Mutex
	out   io.Writer
	lives map[string]*life
}

// life is what happened to one order in this run.
type life struct {
	retried         int
	shipped, parked bool
}

func (l *life) ended() bool { return l.shipped || l.parked }

// counts are the figures of the last line. An order that an earlier run published and this one
// found counts as published.
type counts struct{ published, processed, retried, parked int }

func newJournal(out io.Writer) *journal { return &journal{out: out, lives: map[string]*life{}} }

func (j *journal) published(id string) { j.note(id, "published", func(*life) {}) }

func (j *journal) shipped(msg processor.Message) {
	retries, _ := msg.Headers().Int64(retry.HeaderAttempts)
	j.note(msg.Properties().ID, fmt.Sprintf("try %d: shipped", retries+1), func(l *life) { l.shipped = true })
}

// failed is called with each order that is retried or parked.
func (j *journal) failed(_ context.Context, e retry.Event) {
	id := e.Message.Properties().ID
	if e.Parked {
		j.note(id, fmt.Sprintf("try %d: %v, parked", e.Attempt+1, e.Err), func(l *life) { l.parked = true })
		return
	}
	j.note(id, fmt.Sprintf("try %d: %v, again", e.Attempt, e.Err), func(l *life) { l.retried++ })
}

func (j *journal) note(id, what string, change func(*life)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lives[id] == nil {
		j.lives[id] = &life{}
	}
	change(j.lives[id])
	fmt.Fprintf(j.out, "%s  %s\n", id, what)
}

func (j *journal) count() counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := counts{published: len(j.lives)}
	for _, l := range j.lives {
		c.retried += l.retried
		switch {
		case l.shipped:
			c.processed++
		case l.parked:
			c.parked++
		}
	}
	return c
}

// open is how many orders are neither shipped nor parked.
func (j *journal) open() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lives {
		if !l.ended() {
			n++
		}
	}
	return n
}

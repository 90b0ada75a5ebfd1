package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/retry"
)

// journal remembers the life of each mail, and prints what happens as it happens.
type journal struct {
	out   io.Writer
	start time.Time

	mu    sync.Mutex
	order []string // ids
	lives map[string]*life
}

// life is what happened to one mail.
type life struct {
	begun     time.Time
	confirmed bool // published by this run; else it was found
	entries   []entry
	sent      bool
	parked    bool
}

// entry is the outcome of one attempt.
type entry struct {
	attempt int // number of the try, from 1: one more than the retries so far
	outcome string
	queue   string // that it waits in afterwards
	elapsed time.Duration
}

func newJournal(out io.Writer) *journal {
	return &journal{out: out, start: time.Now(), lives: map[string]*life{}}
}

// begin is called before a mail is published; it may be delivered before the confirm.
func (j *journal) begin(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id)
}

func (j *journal) published(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id).confirmed = true
	j.print(id, "published")
}

// sent is called when the mail server has taken a mail.
func (j *journal) sent(msg processor.Message) {
	retries, _ := msg.Headers().Int64(retry.HeaderAttempts)
	id := msg.Properties().ID
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id).sent = true
	j.note(id, entry{attempt: int(retries) + 1, outcome: "sent"})
}

// failed is called with each mail that was put into a retry queue or parked.
func (j *journal) failed(_ context.Context, e retry.Event) {
	// The journal counts tries. The event, like %attempt% in the pattern, counts retries: retry 1
	// follows try 1, so it has the number of the try that just failed. Parking is not a retry: try
	// 4 has failed after 3 retries.
	tried := e.Attempt
	if e.Parked {
		tried++
	}
	id := e.Message.Properties().ID
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id).parked = e.Parked
	j.note(id, entry{attempt: tried, outcome: e.Err.Error(), queue: e.To.RoutingKey})
}

// note and find are called with the lock held.
func (j *journal) note(id string, e entry) {
	l := j.find(id)
	e.elapsed = time.Since(l.begun)
	l.entries = append(l.entries, e)
	line := fmt.Sprintf("attempt %d: %s", e.attempt, e.outcome)
	if e.queue != "" {
		line += ", now in " + e.queue
	}
	j.print(id, line)
}

func (j *journal) find(id string) *life {
	l := j.lives[id]
	if l == nil {
		l = &life{begun: time.Now()}
		j.lives[id] = l
		j.order = append(j.order, id)
	}
	return l
}

func (j *journal) print(id, what string) {
	fmt.Fprintf(j.out, "%8s  %s: %s\n", seconds(time.Since(j.start)), id, what)
}

// open returns the mails that are neither sent nor parked.
func (j *journal) open() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var ids []string
	for _, id := range j.order {
		if l := j.lives[id]; !l.sent && !l.parked {
			ids = append(ids, id)
		}
	}
	return ids
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

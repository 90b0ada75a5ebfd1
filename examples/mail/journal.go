package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// journal remembers the life of each mail. It prints what happens as it happens, and in
// the end each life as a whole.
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

type entry struct {
	attempt int
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

func (j *journal) sent(id string, attempt int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id).sent = true
	j.note(id, entry{attempt: attempt, outcome: "sent"})
}

func (j *journal) failed(id string, attempt int, err error, queue string, final bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.find(id).parked = final
	j.note(id, entry{attempt: attempt, outcome: err.Error(), queue: queue})
}

// note and find expect the lock to be held.
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

// counts are what the last line says. A mail that an earlier run has published, and this
// one found, counts as published.
type counts struct{ published, processed, retried, parked int }

// count takes the parked mails from what the parked queue really holds.
func (j *journal) count(parked map[string]bool) counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	var c counts
	for id, l := range j.lives {
		if l.confirmed || len(l.entries) > 0 {
			c.published++
		}
		switch {
		case l.sent:
			c.processed++
		case parked[id]:
			c.parked++
		}
		c.retried += retries(l)
	}
	return c
}

func retries(l *life) int {
	n := 0
	for _, e := range l.entries {
		if e.queue != "" && e.queue != parkedQueue {
			n++
		}
	}
	return n
}

// table prints each life: what became of each attempt, where the mail waited then, and
// how long after its publishing that was.
func (j *journal) table() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := tabwriter.NewWriter(j.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nMAIL\tATTEMPT\tOUTCOME\tWAITS IN\tELAPSED")
	for _, id := range j.order {
		name := id
		for _, e := range slices.Clone(j.lives[id].entries) {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", name, e.attempt, e.outcome, e.queue, seconds(e.elapsed))
			name = ""
		}
	}
	return w.Flush()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

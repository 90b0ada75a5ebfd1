package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
)

// letters are those to send.
var letters = []string{"Ann", "Bob", "Cid", "Dot"}

var (
	errClosed  = errors.New("the door is closed")
	errUnknown = errors.New("unknown at this address")
)

// office sends letters, and prints their outcomes.
type office struct {
	begun time.Time
	done  chan struct{}

	mu    sync.Mutex
	out   io.Writer
	tries map[string]int
	open  int
}

func newOffice(out io.Writer) *office {
	return &office{begun: time.Now(), done: make(chan struct{}), out: out, tries: map[string]int{}, open: len(letters)}
}

// send is the handler.
func (o *office) send(_ context.Context, msg processor.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := msg.Properties().ID
	o.tries[name]++
	err := door(name, o.tries[name])
	if err == nil {
		o.finish(name, fmt.Sprintf("sent at try %d", o.tries[name]))
	} else {
		o.print(name, err.Error())
	}
	return err
}

// door returns the outcome of a try.
func door(name string, try int) error {
	switch {
	case name == "Bob" && try < 3, name == "Cid":
		return errClosed
	case name == "Dot":
		return processor.Reject(errUnknown)
	}
	return nil
}

// parked is the handler of parked letters.
func (o *office) parked(_ context.Context, msg processor.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	reason, _ := msg.Headers().String("warren-error")
	failures, _ := msg.Headers().Int64("warren-failures")
	o.finish(msg.Properties().ID, fmt.Sprintf("parked after %d failures: %s", failures, reason))
	return nil
}

func (o *office) finish(name, what string) {
	o.print(name, what)
	if o.open--; o.open == 0 {
		close(o.done)
	}
}

func (o *office) print(name, what string) {
	_, _ = fmt.Fprintf(o.out, "%4dms  %s  %s\n", time.Since(o.begun).Milliseconds(), name, what)
}

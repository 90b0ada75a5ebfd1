package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/retry"
)

// names are the recipients of the letters.
var names = []string{"ann", "bob", "cid", "dot"}

// office sends letters; some fail.
type office struct {
	empty chan struct{} // closed when every letter is sent or parked, and off the queue

	mu    sync.Mutex
	out   io.Writer
	tries map[string]int
	ended map[string]bool // sent or parked
	gone  map[string]bool // off the queue, too
}

func newOffice(out io.Writer) *office {
	return &office{empty: make(chan struct{}), out: out, tries: map[string]int{}, ended: map[string]bool{}, gone: map[string]bool{}}
}

// send is the router's handler.
func (o *office) send(msg *message.Message) error {
	switch try := o.try(msg.UUID); {
	case msg.UUID == "bob" && try == 1:
		return errors.New("the letter box is full")
	case msg.UUID == "cid":
		return errors.New("nobody is there")
	case msg.UUID == "dot":
		return processor.Reject(errors.New("there is no such street"))
	}
	o.note(msg.UUID, "sent", true)
	return nil
}

func (o *office) try(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries[name]++
	return o.tries[name]
}

// failed is called with each letter that is retried or parked.
func (o *office) failed(_ context.Context, e retry.Event) {
	o.note(e.Message.Properties().ID, fmt.Sprintf("%v, now in %s", e.Err, e.To.RoutingKey), e.Parked)
}

// note prints the outcome of a letter.
func (o *office) note(name, what string, end bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.out, "%s  %s\n", name, what)
	o.ended[name] = o.ended[name] || end
}

// watch is a middleware that sees when a letter is off the queue: the context of a message ends
// after its ack. watermill-amqp would requeue unacked messages when it is closed.
func (o *office) watch(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		context.AfterFunc(msg.Context(), func() { o.settled(msg.UUID) })
		return next(msg)
	}
}

func (o *office) settled(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended[name] || o.gone[name] {
		return
	}
	if o.gone[name] = true; len(o.gone) == len(names) {
		close(o.empty)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/gowarren/warren/processor"
)

// post prints what arrives, and interrupts the worker.
type post struct {
	done chan struct{}

	mu   sync.Mutex
	out  io.Writer
	open int // mails and faults to come
	seen map[string]bool
}

func newPost(out io.Writer) *post {
	return &post{done: make(chan struct{}), out: out, open: 4, seen: map[string]bool{}}
}

var errInterrupted = errors.New("stopped before the ack")

// interrupted is a layer that requeues each order once after its results are sent, as a broker
// does when the process ends there.
func (p *post) interrupted() processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			if err := next.Process(ctx, msg); err != nil || !p.first(msg.Properties().ID) {
				return err
			}
			return processor.Requeue(errInterrupted)
		})
	}
}

func (p *post) first(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.seen[id]
	p.seen[id] = true
	return first
}

func (p *post) mail(_ context.Context, m mail, _ processor.Message) error {
	p.print("mail to " + m.To + ": " + m.Text)
	return nil
}

func (p *post) fault(_ context.Context, msg processor.Message) error {
	p.print("fault: " + string(msg.Body()))
	return nil
}

func (p *post) print(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.out, line)
	if p.open--; p.open == 0 {
		close(p.done)
	}
}

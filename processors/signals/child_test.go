package signals_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/signals"
)

// child is the program that the tests send signals to: this binary, started again. It prints a line
// for each event, and returns its exit code.
func child(program string) int {
	if h, ok := handlers[program]; ok {
		return exit(consume(h))
	}
	return exit(listen(program))
}

func exit(err error) int {
	if err != nil {
		sayf("failed: %v", err)
		return 1
	}
	return 0
}

var handlers = map[string]processor.ProcessorFunc{
	// finishes when told by the parent
	"patient": func(ctx context.Context, _ processor.Message) error {
		sayf("ready")
		err := wait()
		sayf("handled, context: %v", ctx.Err())
		return err
	},
	// finishes when it is cut short
	"long": func(ctx context.Context, _ processor.Message) error {
		sayf("ready")
		<-ctx.Done()
		return ctx.Err()
	},
}

// wait waits for the parent.
func wait() error {
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

func sayf(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }

// logger prints one line for each message.
func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// consume runs a consumer of a queue with one message, and prints what is left of it.
func consume(h processor.ProcessorFunc) error {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		return err
	}
	if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{}); err != nil {
		return err
	}
	p, err := stack.New(signals.New(signals.Logger(logger(os.Stdout))), ack.New()).Then(h)
	if err != nil {
		return err
	}
	c := must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(slog.New(slog.DiscardHandler))))
	if err := c.Run(ctx); err != nil {
		return err
	}
	ready, err := b.Ready(ctx, "mail")
	sayf("done: %d, left: %d", c.Stats().Done, ready)
	return err
}

// nobody is a run that does not end.
type nobody struct{}

func (nobody) End(error)     {}
func (nobody) Abort(error)   {}
func (nobody) Pause() func() { return func() {} }

// listen starts the layer for a run that never ends, for one that cannot be told to, or
// for one that is over.
func listen(program string) error {
	ctx := context.Background()
	p, err := stack.New(signals.New(signals.Logger(logger(os.Stdout)))).ThenFunc(succeed)
	if err != nil {
		return err
	}
	if program == "endless" {
		ctx = stack.WithRun(ctx, nobody{})
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	if program == "over" {
		if err := p.Stop(ctx); err != nil {
			return err
		}
	}
	sayf("ready")
	return wait()
}

//go:build unix

package signals_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/signals"
)

func ExampleNew() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		panic(err)
	}
	if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{}); err != nil {
		panic(err)
	}
	handler := func(context.Context, processor.Message) error {
		fmt.Println("somebody presses Ctrl-C")
		return syscall.Kill(os.Getpid(), syscall.SIGINT)
	}
	pipeline, err := stack.New(
		signals.New(signals.Logger(slog.New(slog.DiscardHandler))),
		ack.New(),
	).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(b.Source("mail"), pipeline)
	if err != nil {
		panic(err)
	}
	fmt.Println("ended with", c.Run(ctx))
	// Output:
	// somebody presses Ctrl-C
	// ended with <nil>
}

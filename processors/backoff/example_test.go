package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

// A mail server that is busy at first. The delays are short, for an example.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	defer func() { _ = b.Close(ctx) }()

	opts := []backoff.Option{
		backoff.Schedule(backoff.List(10*time.Millisecond, 20*time.Millisecond)),
		backoff.Jitter(0),
		backoff.Retries(5),
		backoff.Park(processor.Destination{RoutingKey: "mail_parked"}),
		backoff.OnBackoff(func(_ context.Context, e backoff.Event) {
			fmt.Printf("%v: retry %d of %d in %v\n", e.Err, e.Attempt, e.Retries, e.Delay)
		}),
	}
	topology, err := backoff.Topology(broker.Queue{Name: "mail"}, opts...)
	if err != nil {
		panic(err)
	}
	if err := b.Declare(ctx, topology); err != nil {
		panic(err)
	}

	tries := 0
	pipeline, err := stack.New(ack.New(), backoff.New(b.Publisher(), "mail", opts...), recovery.New()).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			if tries++; tries < 4 {
				return errors.New("451 try again later")
			}
			fmt.Printf("sent %s at the attempt %d\n", msg.Body(), tries)
			return processor.ErrStop // done, and no more messages
		})
	if err != nil {
		panic(err)
	}
	err = b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte("a letter")})
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(b.Source("mail"), pipeline)
	if err != nil {
		panic(err)
	}
	if err := c.Run(ctx); err != nil {
		panic(err)
	}
	// Output:
	// 451 try again later: retry 1 of 5 in 10ms
	// 451 try again later: retry 2 of 5 in 20ms
	// 451 try again later: retry 3 of 5 in 20ms
	// sent a letter at the attempt 4
}

var errMailboxFull = errors.New("452 mailbox full")

// Errors with schedules of their own, and a handler that knows when to retry.
func ExamplePolicy() {
	layer := backoff.New(memory.New().Publisher(), "mail",
		backoff.For(context.DeadlineExceeded), // of other errors, these alone
		backoff.Retries(3),
		backoff.Policy(
			backoff.For(errMailboxFull),
			backoff.Schedule(backoff.Exponential(time.Minute, 12*time.Hour)),
			backoff.Retries(processor.NoLimit)))
	pipeline, err := stack.New(ack.New(), layer, recovery.New()).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			if !opens(msg) {
				return processor.RetryAfter(errors.New("closed"), 3*time.Hour) // always followed
			}
			return nil
		})
	if err != nil {
		panic(err)
	}
	for _, s := range pipeline.Describe().Layers[1].Settings {
		if s.Name == "for" || s.Name == "policy 1" {
			fmt.Println(s.Name+":", s.Value)
		}
	}
	// Output:
	// for: context deadline exceeded
	// policy 1: for 452 mailbox full: 1m0s, doubling up to 12h0m0s, retries: no limit, jitter 100ms
}

func opens(processor.Message) bool { return true }

// Backoff is a worker that waits for payments. An unpaid one is retried by a schedule, one that the
// bank is too busy for is retried soon, one with a date is retried on that date, and one that is
// never paid is parked:
//
//	go run ./examples/backoff
//	go run ./examples/backoff -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

func main() { example.Main() }

var example = program.Program{Name: "backoff", Topology: topology, Run: run}

// The queues.
const (
	work   = "payments"
	parked = "payments_parked"
)

// options are those of the layer and of its topology.
func options() []backoff.Option {
	return []backoff.Option{
		backoff.Schedule(backoff.List(100*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond)),
		backoff.Jitter(0), // for the same output each time; leave it out otherwise
		backoff.Retries(4),
		backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(50*time.Millisecond)), backoff.Retries(processor.NoLimit)),
		backoff.Park(processor.Destination{RoutingKey: parked}),
	}
}

func topology() (broker.Topology, error) {
	return backoff.Topology(broker.Queue{Name: work}, options()...)
}

// run asks for each payment, and ends when the last one is paid or parked.
func run(ctx context.Context, b broker.Broker, w io.Writer) error {
	office := newOffice(w)
	quiet := slog.New(slog.DiscardHandler) // the office prints what the layer would log
	opts := append(options(), backoff.OnBackoff(office.told), backoff.Logger(quiet))
	pipeline, err := stack.New(
		ack.New(),
		backoff.New(b.Publisher(), work, opts...),
		recovery.New(),
	).ThenFunc(office.ask)
	if err != nil {
		return err
	}
	c, err := consumer.New(b.Source(work), pipeline, consumer.Logger(quiet))
	if err != nil {
		return err
	}
	for _, p := range office.payments {
		e := processor.Envelope{Properties: processor.Properties{ID: p}}
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: work}, e); err != nil {
			return err
		}
	}
	return c.Run(program.Until(ctx, office.done))
}

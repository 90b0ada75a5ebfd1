// Backoff is a worker that waits for payments. What is not paid yet comes back by a
// schedule, what the bank is too busy for comes back soon, what has a date comes back on
// it, and what is never paid is parked:
//
//	go run ./examples/backoff
//	go run ./examples/backoff -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

func main() {
	plan := flag.Bool("plan", false, "show what would be declared, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *plan {
		err = show(os.Stdout)
	} else {
		err = start(ctx, os.Getenv("AMQP_URL"), os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "backoff:", err)
		os.Exit(1)
	}
}

// The queues.
const (
	work   = "payments"
	parked = "payments_parked"
)

// options are those of the layer, and of what it needs in the broker.
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

func show(w io.Writer) error {
	t, err := topology()
	if err == nil {
		_, err = fmt.Fprint(w, plan.Of(t))
	}
	return err
}

// start runs the worker on a broker of its own.
func start(ctx context.Context, url string, w io.Writer) (err error) {
	var b broker.Broker = memory.New()
	if url != "" {
		if b, err = rabbitmq.Open(ctx, []string{url}); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	return run(ctx, b, w)
}

// run asks for each payment, and ends when the last one is paid or parked.
func run(ctx context.Context, b broker.Broker, w io.Writer) error {
	t, err := topology()
	if err != nil {
		return err
	}
	if err := b.Declare(ctx, t); err != nil {
		return err
	}
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
	for _, p := range office.payments {
		e := processor.Envelope{Properties: processor.Properties{ID: p}}
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: work}, e); err != nil {
			return err
		}
	}
	return consumer.New(b.Source(work), pipeline, consumer.Logger(quiet)).Run(office.until(ctx))
}

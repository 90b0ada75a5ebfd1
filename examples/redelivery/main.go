// Redelivery is a worker that sends letters, and leaves the waiting to the queue: what fails
// goes back to it, comes again after a while that grows, and is parked in the end. There are no
// retry queues and no copies:
//
//	go run ./examples/redelivery
//	go run ./examples/redelivery -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ (4.3 or newer) if AMQP_URL is set.
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
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
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
		fmt.Fprintln(os.Stderr, "redelivery:", err)
		os.Exit(1)
	}
}

// The queues.
const (
	work   = "letters"
	parked = "letters_parked"
)

// quiet: the office prints what would be logged.
var quiet = slog.New(slog.DiscardHandler)

// options are those of the layer, and of the work queue.
var options = []redelivery.Option{
	redelivery.Retries(4),
	redelivery.Wait(100*time.Millisecond, 250*time.Millisecond),
	redelivery.Logger(quiet),
}

func topology() (broker.Topology, error) {
	return redelivery.Topology(broker.Queue{Name: work}, parked, options...)
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

// run sends each letter, and ends when the last one is sent or parked.
func run(ctx context.Context, b broker.Broker, w io.Writer) error {
	t, err := topology()
	if err != nil {
		return err
	}
	if err := b.Declare(ctx, t); err != nil {
		return err
	}
	office := newOffice(w)
	send, err := stack.New(
		ack.New(),
		redelivery.New(b.Publisher(), parked, options...),
		recovery.New(),
	).ThenFunc(office.send)
	if err != nil {
		return err
	}
	read, err := stack.New(ack.New()).ThenFunc(office.parked)
	if err != nil {
		return err
	}
	for _, letter := range letters {
		e := processor.Envelope{Properties: processor.Properties{ID: letter}}
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: work}, e); err != nil {
			return err
		}
	}
	ctx = office.until(ctx)
	clerk := make(chan error, 1)
	go func() { clerk <- consumer.New(b.Source(parked), read, consumer.Logger(quiet)).Run(ctx) }()
	return errors.Join(consumer.New(b.Source(work), send, consumer.Logger(quiet)).Run(ctx), <-clerk)
}

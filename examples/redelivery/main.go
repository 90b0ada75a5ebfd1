// Redelivery is a worker that sends letters, and lets the queue delay the retries: a failed letter
// is requeued, redelivered after a growing wait, and parked in the end. There are no retry queues
// and no copies:
//
//	go run ./examples/redelivery
//	go run ./examples/redelivery -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ (4.3 or newer) if AMQP_URL is set.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
)

func main() { example.Main() }

var example = program.Program{Name: "redelivery", Topology: topology, Run: run}

// The queues.
const (
	work   = "letters"
	parked = "letters_parked"
)

// quiet discards logs: the office prints the same.
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

// run sends each letter, and ends when the last one is sent or parked.
func run(ctx context.Context, b broker.Broker, w io.Writer) error {
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
	sender, err := consumer.New(b.Source(work), send, consumer.Logger(quiet))
	if err != nil {
		return err
	}
	clerk, err := consumer.New(b.Source(parked), read, consumer.Logger(quiet))
	if err != nil {
		return err
	}
	for _, letter := range letters {
		e := processor.Envelope{Properties: processor.Properties{ID: letter}}
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: work}, e); err != nil {
			return err
		}
	}
	ctx = program.Until(ctx, office.done)
	ended := make(chan error, 1)
	go func() { ended <- clerk.Run(ctx) }()
	return errors.Join(sender.Run(ctx), <-ended)
}

// Watermill-router is a Watermill router with a stack of Warren's: failed letters are retried
// later, those that cannot be sent are parked, and each has one trace.
//
//	AMQP_URL=amqp://guest:guest@localhost:5672/ go run ./examples/watermill-router
//	AMQP_URL=... go run ./examples/watermill-router -warren
//
// The first uses watermill-amqp, the second Warren's pubsub. The difference is two lines.
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

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/watermill/marshaler"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/processors/retry"
)

func main() {
	ours := flag.Bool("warren", false, "take the letters with Warren's subscriber and publisher")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, os.Getenv("AMQP_URL"), *ours, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "watermill-router:", err)
		os.Exit(1)
	}
}

// letters is the topic, and so the queue.
const letters = "letters"

// options are those of the retry layer and of its topology.
func options() []retry.Option {
	return []retry.Option{
		retry.Retries(2),
		retry.Delays(50*time.Millisecond, 100*time.Millisecond),
		retry.ParkKey("letters_parked"),
		retry.Logger(slog.New(slog.DiscardHandler)), // the office prints it
	}
}

const retryKeys = "letters_retry_%attempt%"

// start connects, and declares the topology of the retries.
func start(ctx context.Context, url string, ours bool, w io.Writer) (err error) {
	if url == "" {
		return errors.New("AMQP_URL is not set")
	}
	b, err := rabbitmq.Open(ctx, []string{url})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	t, err := retry.Topology(broker.Queue{Name: letters}, retryKeys, options()...)
	if err == nil {
		err = b.Declare(ctx, t)
	}
	if err != nil {
		return err
	}

	connect := theirs
	if ours {
		connect = warrens
	}
	sub, pub, err := connect(url, b)
	if err != nil {
		return err
	}
	return run(ctx, b, sub, pub, w)
}

// theirs is watermill-amqp.
func theirs(url string, _ broker.Broker) (message.Subscriber, message.Publisher, error) {
	config := wamqp.NewDurableQueueConfig(url)
	config.Marshaler = marshaler.Typed{} // its own cannot read retried messages
	config.Publish.ConfirmDelivery = true
	sub, err := wamqp.NewSubscriber(config, watermill.NopLogger{})
	if err != nil {
		return nil, nil, err
	}
	pub, err := wamqp.NewPublisher(config, watermill.NopLogger{})
	return sub, pub, err
}

// warrens are the two lines that change: several letters at once, and other nodes when one is lost.
func warrens(_ string, b broker.Broker) (message.Subscriber, message.Publisher, error) {
	sub, err := pubsub.NewSubscriber(b, pubsub.DurableQueue(), pubsub.InFlight(4))
	if err != nil {
		return nil, nil, err
	}
	pub, err := pubsub.NewPublisher(b, pubsub.DurableQueue())
	return sub, pub, err
}

// Watermill-nats runs one stack on two brokers: on RabbitMQ, or the embedded broker, and on NATS
// JetStream, through Watermill. Orders that fail are retried, and one that always fails is parked.
// The stack, in stack.go, is exactly the same.
//
//	go run .
//	AMQP_URL=amqp://guest:guest@localhost:5672/ go run . -broker rabbitmq
//
// NATS is embedded, and keeps its messages in files. With -store they are kept for the next run:
// stop the program in the middle, or kill it, and start it again with -orders 0.
//
// # What JetStream has and lacks
//
// A publish is confirmed, unacked messages are redelivered, and a message that no stream takes is
// an error. So retries and parking lose nothing there, with the settings in nats.go.
//
// Nothing waits there. A retry is delivered at once, behind what is in the stream already, where
// RabbitMQ holds it back in a queue with a TTL: the delays of the stack are those of the queues
// that retry.Topology declares, and NATS has none. processors/backoff, which would have to wait as
// well, is refused when the stack is built. Its Strategy watermill.Delays is not refused, and
// changes nothing: JetStream delivers at once.
//
// Watermill-nats has a NakDelay for nacked messages. It is one delay for every message that returns
// to a stream, whatever the reason, and counted in no header. It fits processor.Requeue and a stack
// without retry. Its MaxRetryDelay ends by terminating the message, which drops it: do not use it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/processors/retry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv("AMQP_URL"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "watermill-nats:", err)
		os.Exit(1)
	}
}

// run is main without the process: it returns an error if an order was lost or is left over.
func run(ctx context.Context, args []string, url string, out io.Writer) error {
	flags := flag.NewFlagSet("watermill-nats", flag.ContinueOnError)
	flags.SetOutput(out)
	name := flags.String("broker", "memory", "work on `memory or rabbitmq` before NATS; none for NATS alone")
	orders := flags.Int("orders", 10, "publish `N` orders")
	store := flags.String("store", "", "keep NATS's messages in `DIR`; a new one that is removed, if empty")
	ackWait := flags.Duration("ackwait", 30*time.Second, "how long JetStream waits for an ack")
	if err := flags.Parse(args); err != nil {
		return err
	}

	if *name != "none" {
		b, err := open(ctx, *name, url)
		if err != nil {
			return err
		}
		if err := work(ctx, *name, b, *orders, out); err != nil {
			return err
		}
	}
	dir := *store
	if dir == "" {
		temporary, err := os.MkdirTemp("", "watermill-nats-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temporary) }()
		dir = temporary
	}
	n, err := openJetStream(ctx, dir, *ackWait)
	if err != nil {
		return err
	}
	return work(ctx, "nats", n, *orders, out)
}

// open connects to one of Warren's own brokers, and declares the stack's topology there.
func open(ctx context.Context, name, url string) (b ownBroker, err error) {
	switch name {
	case "memory":
		b = memory.New()
	case "rabbitmq":
		if url == "" {
			return nil, errors.New("AMQP_URL is not set: it says where RabbitMQ is")
		}
		if b, err = rabbitmq.Open(ctx, []string{url}); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("-broker is %q: give memory, rabbitmq or none", name)
	}
	t, err := retry.Topology(broker.Queue{Name: queue}, retryKeys, retries()...)
	if err == nil {
		err = b.Declare(ctx, t)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// ownBroker is a broker of Warren's that can count.
type ownBroker interface {
	broker.Broker
	broker.Counter
}

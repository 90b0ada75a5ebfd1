// Mail is a worker that sends mails and retries those that fail: after 30 seconds,
// after 3 minutes and after half an hour; then it parks them.
//
// To make it yours, copy worker.go and publish.go. The journal and the report only
// show the life of each mail, and count.
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set. -scale divides the delays. If
// it is killed in the middle on RabbitMQ and started again, it continues with the mails that it
// finds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer/service"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv("AMQP_URL"), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mail:", err)
		os.Exit(1)
	}
}

// run is main without the process: it returns an error if a mail was lost or is left over.
func run(ctx context.Context, args []string, url string, stdout, stderr io.Writer, opts ...service.Option) (err error) {
	flags := flag.NewFlagSet("mail", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scale := flags.Float64("scale", 1, "divide the delays by `N`")
	copies := flags.Int("copies", 1, "send the set of mails `N` times")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *scale <= 0 || *copies < 0 {
		return errors.New("-scale must be above 0, and -copies not below")
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, name, err := open(ctx, url, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBroker(context.WithoutCancel(ctx), b)) }()

	delays := schedule(*scale)
	fmt.Fprintf(stdout, "On %s; retries after %v, then parked.\n\n", name, delays)
	o, err := newOffice(b, delays, log, stdout, opts)
	if err != nil {
		return err
	}
	return o.work(ctx, *copies)
}

// countingBroker is a broker that can count.
type countingBroker interface {
	broker.Broker
	broker.Counter
}

func open(ctx context.Context, url string, log *slog.Logger) (countingBroker, string, error) {
	if url == "" {
		return memory.New(), "the embedded broker", nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	b, err := rabbitmq.Open(ctx, []string{url}, rabbitmq.Logger(log))
	if err != nil {
		return nil, "", err
	}
	return b, "RabbitMQ", nil
}

func closeBroker(ctx context.Context, b broker.Broker) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return b.Close(ctx)
}

// Package program is the frame of the examples around their worker: flags, a broker, and an end.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq"
)

// Program is an example that runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
type Program struct {
	Name string
	// Topology is what the example needs in the broker.
	Topology func() (broker.Topology, error)
	// Run works until all is done. The topology is declared.
	Run func(ctx context.Context, b broker.Broker, w io.Writer) error
}

// Main is the main function. With the flag -plan it shows the topology instead.
func (p Program) Main() {
	plan := flag.Bool("plan", false, "show what would be declared, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *plan {
		err = p.Show(os.Stdout)
	} else {
		err = p.Start(ctx, os.Getenv("AMQP_URL"), os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		os.Exit(1)
	}
}

// Show prints what would be declared.
func (p Program) Show(w io.Writer) error {
	t, err := p.Topology()
	if err == nil {
		_, err = fmt.Fprint(w, plan.Of(t))
	}
	return err
}

// Start runs the program on a broker of its own: the embedded one if url is empty.
func (p Program) Start(ctx context.Context, url string, w io.Writer) (err error) {
	var b broker.Broker = memory.New()
	if url != "" {
		if b, err = rabbitmq.Open(ctx, []string{url}); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	return p.On(ctx, b, w)
}

// On declares the topology on b and runs.
func (p Program) On(ctx context.Context, b broker.Broker, w io.Writer) error {
	t, err := p.Topology()
	if err != nil {
		return err
	}
	if err := b.Declare(ctx, t); err != nil {
		return err
	}
	return p.Run(ctx, b, w)
}

// Until is ctx until done is closed.
func Until(ctx context.Context, done <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// Package program is the frame of the examples around their handlers: flags, a broker, and an end.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
)

// Program is an example that runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
type Program struct {
	Name string
	// New returns the handlers on b, which print to w, and what is done while they run.
	New func(b broker.Broker, w io.Writer) ([]service.Option, Work)
	// Run replaces New where more than a broker is needed: it makes a service, and runs it by [Serve].
	Run func(ctx context.Context, b broker.Broker, w io.Writer, opts []service.Option) error
}

// Work is done once the service is ready. The service ends when it returns.
type Work func(ctx context.Context, s *service.Service) error

// Send sends a message with each id to queue, and waits until all are done.
func Send(queue string, ids []string, done <-chan struct{}) Work {
	return func(ctx context.Context, s *service.Service) error {
		for _, id := range ids {
			e := processor.Envelope{Properties: processor.Properties{ID: id}}
			if err := s.Send(ctx, processor.Destination{RoutingKey: queue}, e); err != nil {
				return err
			}
		}
		Await(ctx, done)
		return nil
	}
}

// Await returns when done is closed, or ctx ends.
func Await(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Main is the main function. With the flag -plan it shows the topology instead, if the program has New. Nothing is logged: the examples
// print what happens.
func (p Program) Main() {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	plan := flag.Bool("plan", false, "show what would be declared, and end")
	flag.Parse()
	var err error
	if *plan {
		err = p.Show(os.Stdout)
	} else {
		err = p.Start(context.Background(), os.Getenv("AMQP_URL"), os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		os.Exit(1)
	}
}

// Show prints what would be declared.
func (p Program) Show(w io.Writer) error {
	b := memory.New()
	options, _ := p.New(b, w)
	s, err := service.New(b, options...)
	if err == nil {
		_, err = fmt.Fprint(w, plan.Of(s.Topology()))
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
	return p.On(ctx, b, w, service.OwnBroker())
}

// On runs the program on b.
func (p Program) On(ctx context.Context, b broker.Broker, w io.Writer, opts ...service.Option) error {
	if p.Run != nil {
		return p.Run(ctx, b, w, opts)
	}
	options, work := p.New(b, w)
	s, err := service.New(b, append(options, opts...)...)
	if err != nil {
		return err
	}
	return Serve(ctx, s, work)
}

// Serve runs s until work is done.
func Serve(ctx context.Context, s *service.Service, work Work) error {
	ctx, end := context.WithCancel(ctx)
	worked := make(chan error, 1)
	go func() {
		defer s.End()
		if Await(ctx, s.Ready()); ctx.Err() != nil {
			worked <- nil
			return
		}
		worked <- work(ctx, s)
	}()
	err := s.Run(ctx)
	end()
	return errors.Join(err, <-worked)
}

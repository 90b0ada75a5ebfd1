package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/retrying"
)

const (
	queue    = "numbers"
	retryKey = "numbers_retry_%delay%"
	parked   = "numbers_parked"
)

// service publishes the stream and consumes it.
type service struct {
	*settings

	log    *slog.Logger
	stream *stream
	opened chan struct{} // closed when the queues are declared
	broker *rabbitmq.Broker

	cutShort bool // it ended before everything had arrived
}

func newService(set *settings, log *slog.Logger) *service {
	return &service{settings: set, log: log, stream: newStream(), opened: make(chan struct{})}
}

// run publishes until enough is closed, and consumes until all of it has arrived. The end of ctx
// cuts both short.
func (s *service) run(ctx context.Context, enough <-chan struct{}, urls []string) (err error) {
	s.broker, err = rabbitmq.Open(ctx, urls, rabbitmq.Logger(s.log), rabbitmq.Failover(
		failover.Heartbeat(s.heartbeat),
		failover.StableAfter(stable),
	))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBroker(context.WithoutCancel(ctx), s.broker)) }()

	schedule := []retry.Option{retry.Delays(time.Second), retry.ParkKey(parked), retry.Logger(s.log)}
	topology, err := retry.Topology(broker.Queue{Name: queue, Type: broker.Quorum}, retryKey, schedule...)
	if err != nil {
		return err
	}
	if err := s.broker.Declare(ctx, topology); err != nil {
		return err
	}
	pipeline, err := stack.New(
		ack.New(),
		retry.New(s.broker.Publisher(), retryKey, schedule...),
		recovery.New(),
	).ThenFunc(s.stream.process)
	if err != nil {
		return err
	}
	c, err := consumer.New(s.broker.Source(queue), pipeline, consumer.Workers(s.workers), consumer.Logger(s.log))
	if err != nil {
		return err
	}
	publisher, err := retrying.New(s.broker.Publisher())
	if err != nil {
		return err
	}
	close(s.opened)

	ctx, cancel := context.WithCancel(ctx) // ends when the consumer does, whatever the reason
	consuming, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	consumed := make(chan error, 1)
	go func() {
		defer cancel()
		consumed <- c.Run(consuming)
	}()
	s.stream.publish(ctx, enough, publisher, s.rate)
	s.cutShort = !s.stream.await(ctx) && ctx.Err() != nil
	stop()
	return <-consumed
}

// stable is how long a connection must have lived for its loss to be a new incident, and not one of
// a node that drops its clients, which are dialled ever more slowly. Here nodes die within seconds
// of each other. Leave it at its default, 30 s.
const stable = 5 * time.Second

func closeBroker(ctx context.Context, b *rabbitmq.Broker) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return b.Close(ctx)
}

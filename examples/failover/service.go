package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/retrying"
)

const (
	queue  = "numbers"
	parked = "numbers_parked"
)

// worker publishes the stream and consumes it.
type worker struct {
	*settings

	log    *slog.Logger
	stream *stream
	opened chan struct{} // closed when the queues are declared
	broker *rabbitmq.Broker

	cutShort bool // it ended before everything had arrived
}

func newWorker(set *settings, log *slog.Logger) *worker {
	return &worker{settings: set, log: log, stream: newStream(), opened: make(chan struct{})}
}

// run publishes until enough is closed, and consumes until all of it has arrived. The end of ctx
// cuts both short.
func (s *worker) run(ctx context.Context, enough <-chan struct{}, urls []string) (err error) {
	s.broker, err = rabbitmq.Open(ctx, urls, rabbitmq.Logger(s.log), rabbitmq.Failover(
		failover.Heartbeat(s.heartbeat),
		failover.StableAfter(stable),
	))
	if err != nil {
		return err
	}
	handlers, err := service.New(s.broker, service.OwnBroker(), service.Signals(), service.Logger(s.log), service.Handler{
		Queue: broker.Queue{Name: queue, Type: broker.Quorum},
		Stack: stack.New(
			ack.New(),
			retry.New(s.broker.Publisher(), "numbers_retry_%delay%",
				retry.Delays(time.Second), retry.ParkKey(parked), retry.Logger(s.log)),
			recovery.New(),
		),
		Handle:  processor.ProcessorFunc(s.stream.process),
		Workers: s.workers,
	})
	if err != nil {
		return errors.Join(err, s.broker.Close(ctx))
	}
	publisher, err := retrying.New(handlers.Publisher())
	if err != nil {
		return errors.Join(err, s.broker.Close(ctx))
	}
	working, stop := context.WithCancel(ctx) // ends when the service does, whatever the reason
	consumed := make(chan error, 1)
	go func() {
		defer stop()
		consumed <- handlers.Run(context.WithoutCancel(ctx))
	}()
	select {
	case <-handlers.Ready():
		close(s.opened)
	case <-working.Done():
		handlers.End()
		return <-consumed
	}
	s.stream.publish(working, enough, publisher, s.rate)
	s.cutShort = !s.stream.await(working) && working.Err() != nil
	handlers.End()
	return <-consumed
}

// stable is how long a connection must have lived for its loss to be a new incident, and not one of
// a node that drops its clients, which are dialled ever more slowly. Here nodes die within seconds
// of each other. Leave it at its default, 30 s.
const stable = 5 * time.Second

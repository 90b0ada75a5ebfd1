package rabbitmq

import (
	"context"
	"errors"
	"log/slog"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
)

// awayError says that a queue exists and cannot be reached: the node of a classic one is
// down, for example.
type awayError struct {
	queue string
	error
}

func (e *awayError) Unwrap() error { return e.error }

// ofQueue names the queue in an error that says that it is away.
func ofQueue(queue string, err error) error {
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound && !missing(e, "queue") && !missing(e, "exchange") {
		return &awayError{queue, err}
	}
	return err
}

// declaring opens a channel and declares t on it. A queue that is away exists, and keeps
// nobody from using the others. The broker closes the channel over each, so the rest is
// declared on another one.
func (b *Broker) declaring(ctx context.Context, session *failover.Session, t broker.Topology) (*amqp.Channel, error) {
	if err := serverOf(session.ServerProperties()).lacks(t); err != nil {
		return nil, err
	}
	for {
		ch, err := session.Channel(ctx)
		if err != nil {
			return nil, err
		}
		err = declare(ch, t)
		if err == nil {
			return ch, nil
		}
		_ = ch.Close()
		var away *awayError
		if !errors.As(err, &away) {
			return nil, err
		}
		b.log.Warn("queue not declared again: it is away", slog.String("queue", away.queue), slog.Any("error", away))
		t = without(t, away.queue)
	}
}

// without returns t without a queue and its bindings.
func without(t broker.Topology, queue string) broker.Topology {
	return filtered(t, func(name string) bool { return name != queue })
}

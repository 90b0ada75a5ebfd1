// Package cluster finds out whether two connections lead to one cluster. Behind one list of URLs, or
// one address, there may be two: the old and the new in a migration. What is published to one is not
// consumed from the other. The names with which nodes greet do not tell: nodes of one cluster may
// have different ones, and nodes of two the same.
package cluster

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
)

// Answer is what is known about two connections.
type Answer int

// The answers.
const (
	Unknown Answer = iota
	One            // cluster, and vhost
	Two
)

// Bounds of one probe. A node may learn a moment late of a queue that another node has made.
const (
	probeTimeout = 5 * time.Second
	tries        = 6 // in 1.6 s
	firstPause   = 50 * time.Millisecond
)

// Probe asks whether two sessions lead to one cluster and vhost: an exclusive queue of one
// connection is locked for the other, and in another cluster it does not exist. They are two only
// if neither sees the queue of the other: in a cluster that is divided, the smaller part declares
// nothing. The answer is Unknown if one is blocked, does not answer, or may not declare queues.
func Probe(ctx context.Context, l *life.Life, a, b *failover.Session) Answer {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answer := seen(ctx, l, a, b)
	if answer == Two {
		answer = seen(ctx, l, b, a)
	}
	return answer
}

// seen reports whether a queue of one session is seen by the other.
func seen(ctx context.Context, l *life.Life, from, by *failover.Session) Answer {
	for _, s := range []*failover.Session{from, by} {
		if _, blocked := s.Blocked(); blocked {
			return Unknown
		}
	}
	ch, err := from.Channel(ctx)
	if err != nil {
		return Unknown
	}
	defer shut(l, ch) // before the connection ends; the queue is removed below
	q, err := life.Call(ctx, l, func() (amqp.Queue, error) {
		return ch.QueueDeclare("", false, false, true, false, nil)
	}, func(amqp.Queue) {})
	if err != nil {
		return Unknown
	}
	answer := look(ctx, l, by, q.Name)
	_ = life.Do(ctx, l, func() error { _, err := ch.QueueDelete(q.Name, false, false, true); return err })
	return answer
}

// look looks for a queue until it is seen, or has not been for a while.
func look(ctx context.Context, l *life.Life, by *failover.Session, queue string) Answer {
	answer, pause := Unknown, firstPause
	for n := range tries {
		if n > 0 {
			life.Sleep(ctx, pause)
			pause *= 2
		}
		if answer = lookOnce(ctx, l, by, queue); answer != Two {
			return answer
		}
	}
	if ctx.Err() != nil {
		return Unknown
	}
	return answer
}

func lookOnce(ctx context.Context, l *life.Life, by *failover.Session, queue string) Answer {
	ch, err := by.Channel(ctx)
	if err != nil {
		return Unknown
	}
	defer shut(l, ch)
	err = life.Do(ctx, l, func() error {
		_, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil)
		return err
	})
	var e *amqp.Error
	switch {
	case !errors.As(err, &e):
		return Unknown
	case e.Code == amqp.ResourceLocked:
		return One
	case amqpwire.Missing(e, "queue"):
		return Two
	}
	return Unknown
}

// shut closes a channel without waiting for the answer.
func shut(l *life.Life, ch *amqp.Channel) { l.Go(func() { _ = ch.Close() }) }

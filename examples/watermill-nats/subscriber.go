package main

import (
	"context"
	"errors"
	"time"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// subscriber is watermill-nats's, but for how it ends. That one closes the channel of its
// messages at once, and panics if it is just sending one. Here each subscription has a
// connection, and ends by draining it: the server is told to send no more, and what it has
// sent is nacked before the channel is closed. So it comes again at once, as a rule; what the
// server sends into the void while it hears of the end comes after the time for an ack.
type subscriber struct {
	server  nats.Option
	ackWait time.Duration
}

var _ message.Subscriber = (*subscriber)(nil)

// Subscribe subscribes until ctx ends, or the connection is lost for good. Whoever reads the
// channel has to nack what still comes then.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	conn, err := nats.Connect("", s.server, nats.ClosedHandler(func(*nats.Conn) { end() }))
	if err != nil {
		end()
		return nil, err
	}
	inner, err := wmnats.NewSubscriberWithNatsConn(conn, s.config(topic), nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	messages, err := inner.Subscribe(life, topic)
	if err != nil {
		conn.Close()
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		if err := conn.Drain(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			conn.Close() // it is looking for its server
		}
	})
	return messages, nil
}

func (s *subscriber) config(topic string) wmnats.SubscriberSubscriptionConfig {
	return wmnats.SubscriberSubscriptionConfig{
		SubscribersCount: workers, QueueGroupPrefix: topic, // each hands out one at a time
		AckWaitTimeout: s.ackWait,
		JetStream: wmnats.JetStreamConfig{
			DurablePrefix: topic,
			// Without it the client acks whatever the subscriber lets go of, and so loses
			// what is not settled in time, or is in hand when it ends.
			SubscribeOptions: []nats.SubOpt{nats.ManualAck()},
		},
	}
}

// Close does nothing: each subscription ends with its context.
func (*subscriber) Close() error { return nil }

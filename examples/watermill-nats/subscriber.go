package main

import (
	"context"
	"errors"
	"time"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// subscriber is watermill-nats's with another end. That one closes the channel of its messages at
// once, and panics if it is just sending one. Here each subscription has a connection, and ends by
// draining it: the server is told to send no more, and what it has sent is nacked before the
// channel is closed. So it is normally redelivered at once; what the server still sends before it
// hears of the end is redelivered after the time for an ack.
type subscriber struct {
	server  nats.Option
	ackWait time.Duration
}

var _ message.Subscriber = (*subscriber)(nil)

// Subscribe subscribes until ctx ends, or the connection is lost permanently. The reader of the
// channel must nack what still comes then.
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
		SubscribersCount: workers, QueueGroupPrefix: topic, // each delivers one at a time
		AckWaitTimeout: s.ackWait,
		JetStream: wmnats.JetStreamConfig{
			DurablePrefix: topic,
			// Without it the client acks whatever the subscriber drops, and so loses messages that
			// are not settled in time, or are in flight when it ends.
			SubscribeOptions: []nats.SubOpt{nats.ManualAck()},
		},
	}
}

// Close does nothing: each subscription ends with its context.
func (*subscriber) Close() error { return nil }

package watermill

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
)

// NewSource returns what a subscriber of Watermill's receives of a topic, for a consumer.
// dead gets what is nacked without requeue. Closing the subscriber is up to you.
//
// Each subscription is one Subscribe at a time, whatever its prefetch, which is a bound alone: a second
// one would get a copy of each message from some brokers. Most of them hand out a message
// when the one before is acked, so that one worker has work at a time; of some, such as
// GoChannel, a consumer with many workers keeps them busy.
//
// A message that is nacked with requeue, or given back, is nacked, and comes again as Watermill's
// subscriber sees fit, mostly at once. Nothing marks it as redelivered. What nobody has
// received when the subscription is paused goes back when the last message in hand is
// settled, because a subscriber that ends forgets those in hand. What is in hand when it is
// closed is nacked and comes again, but from a GoChannel, which is no queue: it is lost there.
//
// Some subscribers wait for a settlement only so long, NATS's for 30 seconds. What is settled
// later is [processor.ErrStale], and comes again: have them wait longer than a handler takes.
//
// Messages have the headers and properties that [NewPublisher] wrote, and from others
// metadata as text. Their contexts are not passed on.
//
// The error is about arguments that are nil or empty.
func NewSource(subscriber message.Subscriber, topic string, dead DeadLetter) (broker.Source, error) {
	err := checkDead(dead)
	if subscriber == nil {
		err = errors.Join(err, errors.New("watermill: the subscriber is nil: pass one of Watermill's"))
	}
	if topic == "" {
		err = errors.Join(err, errors.New("watermill: the topic is empty: name it"))
	}
	if err != nil {
		return nil, err
	}
	return &source{subscriber: subscriber, topic: topic, dead: dead}, nil
}

type source struct {
	subscriber message.Subscriber
	topic      string
	dead       DeadLetter
}

// Subscribe subscribes once, and once more after each pause. There are no
// [broker.ConsumerOptions] here: [broker.ErrUnsupported].
func (s *source) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	if err := errors.Join(o.Check(), o.Consumer.Unsupported()); err != nil {
		return nil, fmt.Errorf("watermill: topic %q: %w", s.topic, err)
	}
	sub := &subscription{source: s, options: o, channel: broker.NewChannel(o), changed: make(chan struct{}), values: context.WithoutCancel(ctx)}
	first, err := sub.begin(ctx)
	if err != nil {
		sub.channel.Lose(err)
		return nil, err
	}
	sub.parts = []*part{first}
	return sub, nil
}

// begin subscribes within ctx.
func (s *subscription) begin(ctx context.Context) (*part, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	p := newPart(s.source, end, s.options.Prefetch, s.channel)
	waits := context.AfterFunc(ctx, end)
	messages, err := s.subscriber.Subscribe(context.WithValue(life, partKey{}, p), s.topic)
	if !waits() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		end()
		giveBack(messages)
		return nil, fmt.Errorf("watermill: subscribe to topic %q: %w", s.topic, err)
	}
	p.messages = messages
	return p, nil
}

// giveBack nacks what still comes of a subscription that has ended, until it is closed. Some
// subscribers wait for that.
func giveBack(messages <-chan *message.Message) {
	if messages == nil {
		return
	}
	for msg := range messages {
		if msg != nil {
			msg.Nack()
		}
	}
}

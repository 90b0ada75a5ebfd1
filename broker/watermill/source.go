package watermill

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// NewSource returns a Watermill subscriber's messages of a topic as a source for a consumer. dead
// gets those that are nacked without requeue. It does not close the subscriber.
//
// Each subscription calls Subscribe once at a time, whatever its prefetch, which is only a bound:
// on some brokers a second call would get a copy of each message. Most brokers deliver a message
// when the previous one is acked, so that one worker at a time has work; some, such as GoChannel,
// keep a consumer with many workers busy.
//
// A message that is nacked with requeue, or released, is nacked, and Watermill's subscriber
// redelivers it, mostly at once. Nothing marks it as redelivered. At a pause, messages not yet
// received are requeued once the last message in flight is settled, because a subscriber that ends
// forgets those in flight. At the close, those in flight are nacked and redelivered, except from a
// GoChannel, which is no queue: they are lost there.
//
// Some subscribers wait for a settlement for a limited time, NATS's for 30 seconds. A later one is
// [processor.ErrStale], and the message is redelivered: make them wait longer than a handler takes.
//
// Messages have the headers and properties that [NewPublisher] wrote, and from others
// metadata as text. Their contexts are not passed on.
//
// The error is about arguments that are nil or empty.
func NewSource(subscriber message.Subscriber, topic string, dead DeadLetter) (broker.Source, error) {
	err := checkDead(dead)
	if problem := processor.Check(subscriber); problem != nil {
		err = errors.Join(err, fmt.Errorf("watermill: the subscriber, one of Watermill's, cannot work: %w", problem))
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

// Subscribe subscribes once, and again after each pause; if that fails for five minutes, the subscription is over, with the
// last error. [broker.ConsumerOptions] are not available
// here: [broker.ErrUnsupported].
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
		giveBack(messages, s.topic)
		return nil, fmt.Errorf("watermill: subscribe to topic %q: %w", s.topic, err)
	}
	p.messages = messages
	return p, nil
}

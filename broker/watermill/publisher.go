package watermill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// PublisherOption changes how messages are published.
type PublisherOption func(*publisher)

// Topic maps a destination to a topic. f may be called concurrently; its panic is an error of the
// publish. Default, also for nil: the routing key, in the default exchange; a destination with
// another exchange is refused, because Watermill has none.
func Topic(f func(to processor.Destination) (string, error)) PublisherOption {
	return func(p *publisher) { p.topic = f }
}

// NewPublisher returns a Watermill publisher as a Warren one: for processors/retry,
// processors/backoff with [Delays], and others. It does not close next.
//
// Text headers become metadata unchanged, and others readable text; one more entry, _warren,
// preserves types and properties, and headers that would not survive as HTTP headers, which
// metadata are on NATS. The id becomes the UUID and the correlation id Watermill's, correlation_id.
// The broker checks sizes, and decides what a property means there.
//
// A copy for a retry or for parking has the id of the failed message. A broker must not drop it as
// a duplicate, as JetStream does with TrackMsgId.
//
// Publish returns nil when Watermill's does. That says less than RabbitMQ does: not every
// broker confirms, and none says that nobody takes a topic. A GoChannel drops what nobody
// subscribes to. Nor is Watermill given a context to wait with but the message's, which some
// publishers ignore. An error of its own is [processor.ErrIndeterminate].
//
// The error is about a publisher or an option that is nil.
func NewPublisher(next message.Publisher, opts ...PublisherOption) (processor.Publisher, error) {
	if err := processor.Check(next); err != nil {
		return nil, fmt.Errorf("watermill: the publisher, one of Watermill's, cannot work: %w", err)
	}
	p := &publisher{next: next}
	if err := option.Apply("watermill", p, opts); err != nil {
		return nil, err
	}
	if p.topic == nil {
		p.topic = routingKey
	}
	return p, nil
}

type publisher struct {
	next  message.Publisher
	topic func(processor.Destination) (string, error)
}

var (
	_ processor.Publisher    = (*publisher)(nil)
	_ broker.TopologyChecker = (*publisher)(nil)
)

// CheckTopology refuses whatever has to be declared.
func (*publisher) CheckTopology(t broker.Topology) error {
	if len(t.Exchanges)+len(t.Queues)+len(t.Bindings) == 0 {
		return nil
	}
	return errors.New("watermill: messages are to wait in queues that Watermill cannot declare: " +
		"where the broker has delayed messages, give backoff the option Strategy(watermill.Delays)")
}

// Publish publishes e to the topic that to stands for.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("watermill: publish to %v: %w", to, err)
	}
	topic, err := p.topicOf(to)
	if err != nil {
		return err
	}
	e.Body = bytes.Clone(e.Body) // a GoChannel keeps the slice
	msg, err := convert(e)
	if err != nil {
		return err
	}
	msg.SetContext(setDelay(ctx, msg))
	if err := p.next.Publish(topic, msg); err != nil {
		return fmt.Errorf("watermill: publish to topic %q: %w: %w", topic, processor.ErrIndeterminate, err)
	}
	return nil
}

func (p *publisher) topicOf(to processor.Destination) (string, error) {
	if strings.Contains(to.RoutingKey, ".delay.v1.") {
		return "", fmt.Errorf("watermill: %w: %v is where package delay has messages wait, and nobody would take it from a topic: "+
			"where the broker has delayed messages, give backoff the option Strategy(watermill.Delays)", processor.ErrUnroutable, to)
	}
	topic, err := "", error(nil)
	problem := callback.Call("the function given to Topic", func() { topic, err = p.topic(to) })
	if err = errors.Join(problem, err); err == nil && topic == "" {
		err = errors.New("the topic is empty: name one")
	}
	if err != nil {
		return "", fmt.Errorf("watermill: %w: %w", processor.ErrUnroutable, err)
	}
	return topic, nil
}

// routingKey is the default topic of a destination.
func routingKey(to processor.Destination) (string, error) {
	if to.Exchange != "" {
		return "", fmt.Errorf("%v: Watermill has topics and no exchanges: publish to the default exchange, with the topic as routing key, or say with the option Topic which one is meant", to)
	}
	return to.RoutingKey, nil
}

// setDelay writes the delay that ctx requests into the metadata, and removes one of an earlier
// delivery, which would count again. The context that it returns requests none, since some brokers
// pass it on to receivers.
func setDelay(ctx context.Context, msg *message.Message) context.Context {
	delete(msg.Metadata, delay.DelayedUntilKey)
	delete(msg.Metadata, delay.DelayedForKey)
	r, _ := ctx.Value(delayKey{}).(*delayRequest)
	if r == nil {
		return ctx
	}
	r.seen.Store(true)
	delay.Message(msg, delay.Until(r.until))
	return context.WithValue(ctx, delayKey{}, (*delayRequest)(nil))
}

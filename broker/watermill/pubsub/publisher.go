package pubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill/internal/wire"
	"github.com/gowarren/warren/processor"
)

// Publisher publishes Watermill's messages to a broker. It may be used concurrently.
type Publisher struct {
	broker  broker.Broker
	layout  Layout
	options publisherOptions

	declared sync.Map // topics

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher to b, which the caller closes. It does nothing until it is used.
func NewPublisher(b broker.Broker, l Layout, opts ...PublisherOption) (*Publisher, error) {
	o, err := newPublisherOptions(opts)
	switch {
	case err != nil:
		return nil, err
	case processor.Check(b) != nil:
		return nil, errNoBroker
	case l.Exchange == nil && l.Queue == nil && l.RoutingKey == nil:
		return nil, errNoPlace
	}
	return &Publisher{broker: b, layout: l, options: o}, nil
}

// Publish declares what topic needs, once, and publishes the messages in their order. It returns
// nil when the broker has confirmed all of them, and has routed each to at least one queue. If the
// broker is a [processor.BatchPublisher], as RabbitMQ is, it waits for all confirms together, and a
// message that could not be sent ends the batch.
//
// Publish waits while there is no connection, and buffers nothing. It ends when the first of the
// messages' contexts ends, and at [Timeout]. An error is one of those that [processor.Publisher]
// lists, for errors.Is; some of the messages may be stored. If published again, each has the same
// UUID.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if !p.begin() {
		return fmt.Errorf("pubsub: publish to topic %q: the publisher is %w", topic, processor.ErrClosed)
	}
	defer p.calls.Done()
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := p.context(messages)
	defer cancel()
	if err := p.publish(ctx, topic, messages); err != nil {
		return fmt.Errorf("pubsub: publish to topic %q: %w", topic, err)
	}
	return nil
}

// begin returns false once the publisher is closed.
func (p *Publisher) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.calls.Add(1)
	return true
}

// context ends with each of the messages' own, and has the values of the first.
func (p *Publisher) context(messages []*message.Message) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(messages[0].Context(), p.options.timeout, fmt.Errorf("no answer in %v", p.options.timeout))
	var stops []func() bool
	for _, msg := range messages[1:] {
		if c := msg.Context(); c.Done() != nil {
			stops = append(stops, context.AfterFunc(c, cancel))
		}
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

func (p *Publisher) publish(ctx context.Context, topic string, messages []*message.Message) error {
	to, topology := p.layout.published(topic)
	if err := p.declare(ctx, topic, topology); err != nil {
		return err
	}
	batch := make([]processor.Envelope, len(messages))
	for i, msg := range messages {
		batch[i] = wire.Envelope(msg)
	}
	errs := processor.PublishBatch(ctx, p.broker.Publisher(), to, batch)
	for i, err := range errs {
		if errors.Is(err, processor.ErrUnroutable) {
			p.declared.Delete(topic) // its queue or exchange may have been removed
			if p.options.unroutable {
				errs[i] = nil
			}
		}
	}
	return summary(errs)
}

// declare declares what topic needs, the first time. An existing queue with other arguments, such
// as one in which messages wait for a retry, can be published to.
func (p *Publisher) declare(ctx context.Context, topic string, t broker.Topology) error {
	if _, done := p.declared.Load(topic); done || len(t.Exchanges)+len(t.Queues) == 0 {
		return nil
	}
	err := p.broker.Declare(ctx, t)
	there := len(t.Exchanges) == 0 && errors.Is(err, broker.ErrMismatch)
	if err != nil && !there {
		return err
	}
	p.declared.Store(topic, nil)
	return nil
}

// summary is nil, or the first error that gives a reason, and always says whether a message may be
// stored.
func summary(errs []error) error {
	var why, skipped, doubt error
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		switch {
		case errors.Is(err, processor.ErrSkipped):
			skipped = err
		case errors.Is(err, processor.ErrIndeterminate):
			doubt = cmp.Or(doubt, err)
		default:
			why = cmp.Or(why, err)
		}
	}
	switch {
	case failed == 0:
		return nil
	case why == nil && doubt == nil:
		why = skipped
	}
	return fmt.Errorf("%d of %d messages: %w", failed, len(errs), errors.Join(why, doubt))
}

// Close waits for publishes in progress, each for at most [Timeout], and publishes nothing more.
// The broker stays open. It may be called twice.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.calls.Wait()
	return nil
}

package pubsub

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Subscriber delivers a broker's messages to Watermill. It may be used concurrently.
type Subscriber struct {
	broker  broker.Broker
	layout  Layout
	options subscriberOptions

	life context.Context //nolint:containedctx // of all subscriptions; ends with Close
	end  context.CancelFunc

	mu            sync.Mutex
	subscriptions sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber to b, which the caller closes after the subscriber. It does
// nothing until Subscribe.
func NewSubscriber(b broker.Broker, l Layout, opts ...SubscriberOption) (*Subscriber, error) {
	o, err := newSubscriberOptions(opts)
	switch {
	case err != nil:
		return nil, err
	case processor.Check(b) != nil:
		return nil, errNoBroker
	case l.Queue == nil:
		return nil, errNoQueue
	}
	s := &Subscriber{broker: b, layout: l, options: o}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe declares what topic needs, and delivers its messages. While no node can be reached it
// tries for 30 seconds, or until ctx ends.
//
// A message must be acked or nacked, even after its context has ended: until then its place in
// flight is taken. Its context has the values of ctx, and ends with the ack, the nack, and when its
// channel is lost, since the broker then redelivers it; settling it after that is no error, and
// changes nothing. When ctx ends, no more messages are delivered; those in flight have the time of
// [CloseTimeout]; then the returned channel is closed.
//
// A queue that is deleted is declared again. If that fails, such as when another queue has taken
// its name, it is retried and logged, and the channel stays open. It is closed when the broker is.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if !s.begin() {
		return nil, s.failed(topic, errClosed)
	}
	sub := newSubscription(s, topic, ctx)
	go func() {
		defer s.subscriptions.Done()
		sub.run()
	}()
	if err := <-sub.first; err != nil {
		return nil, s.failed(topic, err)
	}
	return sub.out, nil
}

// SubscribeInitialize declares what a subscription to topic needs, so that messages published
// before it are kept.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	if !s.begin() {
		return s.failed(topic, errClosed)
	}
	defer s.subscriptions.Done()
	ctx, cancel := context.WithTimeout(s.life, openTimeout)
	defer cancel()
	_, t := s.layout.subscribed(topic)
	if err := s.broker.Declare(ctx, t); err != nil {
		return s.failed(topic, err)
	}
	return nil
}

// Close delivers no more messages, waits for those in flight as [CloseTimeout] says, requeues the
// rest and closes all channels that Subscribe has returned. A later ack changes nothing: the
// message is redelivered. Close may be called twice, and returns nil.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.subscriptions.Wait()
	return nil
}

// begin returns false once the subscriber is closed. Close waits for what has begun.
func (s *Subscriber) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.subscriptions.Add(1)
	return true
}

func (*Subscriber) failed(topic string, err error) error {
	return fmt.Errorf("pubsub: subscribe to topic %q: %w", topic, err)
}

var errClosed = fmt.Errorf("the subscriber is %w", processor.ErrClosed)

// openTimeout bounds declaring and subscribing: Watermill passes no context for it, or one that
// ends with the program.
const openTimeout = 30 * time.Second

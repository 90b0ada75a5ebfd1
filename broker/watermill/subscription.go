package watermill

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// subscription is one Subscribe. It keeps nothing that nobody has asked for: Receive takes
// from the subscriber's channel.
type subscription struct {
	*source
	messages <-chan *message.Message
	end      context.CancelFunc // of the subscriber's part
	room     chan struct{}      // holds one for each message that is out
	stopped  chan struct{}      // closed when no more are received
	drained  chan struct{}      // closed when the subscriber has closed its channel
	halting  sync.Once
	leaving  sync.Once
	life     context.Context         //nolint:containedctx // of what is in hand
	perish   context.CancelCauseFunc // ends it

	mu     sync.Mutex
	inHand map[uint64]*message.Message
	last   uint64 // tag
	// settled are the contexts of the messages settled last. A subscriber ends them when
	// it has seen that.
	settled []context.Context
}

var (
	_ broker.Subscription = (*subscription)(nil)
	_ broker.Acknowledger = (*subscription)(nil)
	_ broker.Perishable   = (*subscription)(nil)
)

// subscriptionKey is the context key of the subscription that a message came with.
type subscriptionKey struct{}

func newSubscription(s *source, end context.CancelFunc, prefetch int) *subscription {
	sub := &subscription{
		source: s, end: end,
		room: make(chan struct{}, prefetch), stopped: make(chan struct{}), drained: make(chan struct{}),
		inHand: map[uint64]*message.Message{},
	}
	sub.life, sub.perish = context.WithCancelCause(context.Background())
	return sub
}

// Life ends when the subscription is closed: what was in hand has gone back.
func (s *subscription) Life() context.Context { return s.life }

// Receive waits for room, and then for a message.
func (s *subscription) Receive(ctx context.Context) (processor.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.room <- struct{}{}:
	case <-s.stopped:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d, err := s.next(ctx)
	if err != nil {
		<-s.room
		return nil, err
	}
	return d, nil
}

func (s *subscription) next(ctx context.Context) (*broker.Delivery, error) {
	for {
		select {
		case msg, open := <-s.messages:
			switch {
			case !open:
				return nil, io.EOF
			case msg != nil:
				return s.take(msg)
			}
		case <-s.stopped:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take hands out msg, unless the subscription was stopped meanwhile.
func (s *subscription) take(msg *message.Message) (*broker.Delivery, error) {
	e := envelopeOf(msg)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped() {
		msg.Nack()
		return nil, io.EOF
	}
	s.last++
	s.inHand[s.last] = msg
	return broker.NewDelivery(e, processor.Origin{Queue: s.topic, RoutingKey: s.topic}, s, s.last), nil
}

func (s *subscription) isStopped() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// Ack acks the message.
func (s *subscription) Ack(tag uint64) error { return s.settle(tag, (*message.Message).Ack) }

// Nack nacks the message, or acks it when the dead-letter function has it.
func (s *subscription) Nack(tag uint64, requeue bool) error {
	if requeue {
		return s.Release(tag)
	}
	msg, ok := s.held(tag)
	if !ok {
		return processor.ErrStale
	}
	if problem := s.dead(msg, s.topic, ErrRejected); problem != nil {
		_ = s.Release(tag) // if it is too late for that, it has gone back
		return fmt.Errorf("watermill: the rejected message goes back to topic %q: %w", s.topic, problem)
	}
	return s.Ack(tag)
}

// Release nacks the message.
func (s *subscription) Release(tag uint64) error { return s.settle(tag, (*message.Message).Nack) }

func (s *subscription) held(tag uint64) (*message.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	msg, ok := s.inHand[tag]
	return msg, ok
}

func (s *subscription) settle(tag uint64, how func(*message.Message) bool) error {
	s.mu.Lock()
	msg, ok := s.inHand[tag]
	if !ok {
		s.mu.Unlock()
		return processor.ErrStale
	}
	delete(s.inHand, tag)
	abandoned := s.isAbandoned(msg)
	if !how(msg) || abandoned {
		ok = false // somebody has settled it otherwise, or nobody listens any more
	}
	s.remember(msg.Context())
	isLast := len(s.inHand) == 0 && s.isStopped()
	s.mu.Unlock()
	<-s.room
	if isLast {
		s.leave(nil)
	}
	if !ok {
		return processor.ErrStale
	}
	return nil
}

// isAbandoned reports whether the subscriber has given up waiting for the message to be
// settled: it has ended its context before that. A context that does not come from the
// subscription, but from a publisher, says nothing.
func (s *subscription) isAbandoned(msg *message.Message) bool {
	ctx := msg.Context()
	return ctx.Err() != nil && ctx.Value(subscriptionKey{}) == s
}

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

// part is one Subscribe: that of a subscription until it is paused. It reads no messages ahead:
// only receive takes one from the subscriber's channel.
type part struct {
	*source
	messages <-chan *message.Message
	end      context.CancelFunc // of the subscriber's part
	room     chan struct{}      // holds one for each message in flight
	stopped  chan struct{}      // closed when no more are received
	drained  chan struct{}      // closed when the subscriber has closed its channel, or is left behind
	halting  sync.Once
	leaving  sync.Once
	channel  *broker.Channel

	mu     sync.Mutex
	inHand map[uint64]*message.Message
	last   uint64 // tag
	// settled are the contexts of the messages settled last. A subscriber ends one when it has seen
	// the settlement.
	settled []context.Context
}

var _ broker.Acknowledger = (*part)(nil)

// partKey is the context key of the part that a message came with.
type partKey struct{}

func newPart(s *source, end context.CancelFunc, prefetch int, channel *broker.Channel) *part {
	return &part{
		source: s, end: end, channel: channel,
		room: make(chan struct{}, prefetch), stopped: make(chan struct{}), drained: make(chan struct{}),
		inHand: map[uint64]*message.Message{},
	}
}

// receive waits for room, and then for a message. It returns io.EOF when the part is over.
func (p *part) receive(ctx context.Context) (*broker.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.room <- struct{}{}:
	case <-p.stopped:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d, err := p.next(ctx)
	if err != nil {
		<-p.room
		return nil, err
	}
	return d, nil
}

func (p *part) next(ctx context.Context) (*broker.Delivery, error) {
	for {
		select {
		case msg, open := <-p.messages:
			switch {
			case !open:
				return nil, io.EOF
			case msg != nil:
				return p.take(msg)
			}
		case <-p.stopped:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take delivers msg, unless the subscription was stopped meanwhile.
func (p *part) take(msg *message.Message) (*broker.Delivery, error) {
	e := envelopeOf(msg)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isStopped() {
		msg.Nack()
		return nil, io.EOF
	}
	p.last++
	p.inHand[p.last] = msg
	return p.channel.Deliver(e, processor.Origin{Queue: p.topic, RoutingKey: p.topic}, p, p.last), nil
}

func (p *part) isStopped() bool { return isClosed(p.stopped) }

func (p *part) isDrained() bool { return isClosed(p.drained) }

// Ack acks the message.
func (p *part) Ack(tag uint64) error { return p.settle(tag, (*message.Message).Ack) }

// Nack nacks the message, or acks it after DeadLetter has taken it.
func (p *part) Nack(tag uint64, requeue bool) error {
	if requeue {
		return p.Release(tag)
	}
	msg, ok := p.held(tag)
	if !ok {
		return processor.ErrStale
	}
	if problem := p.dead.take(msg, p.topic, ErrRejected); problem != nil {
		_ = p.Release(tag) // if too late, it is requeued already
		return fmt.Errorf("watermill: the rejected message goes back to topic %q: %w", p.topic, problem)
	}
	return p.Ack(tag)
}

// Release nacks the message.
func (p *part) Release(tag uint64) error { return p.settle(tag, (*message.Message).Nack) }

func (p *part) held(tag uint64) (*message.Message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	msg, ok := p.inHand[tag]
	return msg, ok
}

func (p *part) settle(tag uint64, how func(*message.Message) bool) error {
	p.mu.Lock()
	msg, ok := p.inHand[tag]
	if !ok {
		p.mu.Unlock()
		return processor.ErrStale
	}
	delete(p.inHand, tag)
	abandoned := p.isAbandoned(msg)
	if !how(msg) || abandoned {
		ok = false // settled in another way, or the subscriber has stopped waiting
	}
	p.remember(msg.Context())
	isLast := len(p.inHand) == 0 && p.isStopped()
	p.mu.Unlock()
	<-p.room
	if isLast {
		p.leave(nil)
	}
	if !ok {
		return processor.ErrStale
	}
	return nil
}

// isAbandoned reports whether the subscriber has given up waiting for the settlement: it has ended
// the message's context before. A context that comes from a publisher, not from the subscription,
// says nothing.
func (p *part) isAbandoned(msg *message.Message) bool {
	ctx := msg.Context()
	return ctx.Err() != nil && ctx.Value(partKey{}) == p
}

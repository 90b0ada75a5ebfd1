package watermill

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// call is one message on its way from a router through a stack.
//
// A settlement is noted, and not passed on to the message: the router settles it once what the
// handler has produced is published, and an outer middleware, such as Watermill's Retry, may call
// again.
type call struct {
	msg      *message.Message
	produced []*message.Message // by the last try of the handler, if that succeeded
	settled  atomic.Uint32
}

// How a stack has settled its message.
const (
	unsettled uint32 = iota
	acked
	rejected
	returned
	over // too late
)

var _ broker.Acknowledger = (*call)(nil)

func (c *call) Ack(uint64) error { return c.settle(acked) }

func (c *call) Nack(_ uint64, requeue bool) error {
	if requeue {
		return c.settle(returned)
	}
	return c.settle(rejected)
}

func (c *call) Release(uint64) error { return c.settle(returned) }

func (c *call) settle(as uint32) error {
	if !c.settled.CompareAndSwap(unsettled, as) {
		return processor.ErrStale
	}
	return nil
}

// delivery is what the layers get.
type delivery struct {
	*broker.Delivery
	call *call
}

// begin returns a call, and what the layers get.
func begin(msg *message.Message) (*call, *delivery) {
	c := &call{msg: msg}
	topic := message.SubscribeTopicFromCtx(msg.Context())
	origin := processor.Origin{Queue: topic, RoutingKey: topic}
	return c, &delivery{broker.NewDelivery(envelopeOf(msg), origin, c, 0), c}
}

type callKey struct{}

// errNoCall is the error of a handler that cannot tell which of the router's messages it is called
// for.
var errNoCall = errors.New("watermill: the context does not come from the router: a layer has replaced it")

// last turns f, which may produce messages, into the handler of a stack.
func last(f func(ctx context.Context, c *call, msg processor.Message) ([]*message.Message, error)) processor.ProcessorFunc {
	return func(ctx context.Context, msg processor.Message) error {
		c, ok := ctx.Value(callKey{}).(*call)
		if !ok {
			return errNoCall
		}
		c.produced = nil
		produced, err := f(ctx, c, msg)
		if err == nil {
			c.produced = produced
		}
		return err
	}
}

// run calls h with the router's own message, under ctx, or with a copy if a layer has changed the
// content.
func (c *call) run(ctx context.Context, msg processor.Message, h message.HandlerFunc) ([]*message.Message, error) {
	if d, ok := msg.(*delivery); ok && d.call == c {
		outer := c.msg.Context()
		c.msg.SetContext(ctx)
		defer c.msg.SetContext(outer) //nolint:contextcheck // restored
		defer follow(msg, c.msg, isAcked(c.msg), isNacked(c.msg))
		return h(c.msg)
	}
	decorated := newMessage(processor.Envelope{Body: msg.Body(), Headers: msg.Headers(), Properties: msg.Properties()})
	decorated.SetContext(ctx)
	defer follow(msg, decorated, false, false)
	return h(decorated)
}

// follow settles to in the way in which a Watermill handler has settled from, so that no layer also
// publishes a copy.
func follow(to processor.Message, from *message.Message, wasAcked, wasNacked bool) {
	switch {
	case isAcked(from) && !wasAcked:
		_ = to.Ack() // fails only if settled already
	case isNacked(from) && !wasNacked:
		_ = to.Nack(true)
	}
}

func isAcked(msg *message.Message) bool { return isClosed(msg.Acked()) }

func isNacked(msg *message.Message) bool { return isClosed(msg.Nacked()) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

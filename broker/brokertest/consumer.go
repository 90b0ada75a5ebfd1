package brokertest

import (
	"context"
	"errors"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// consumer is a subscription that fails its case when something is wrong.
type consumer struct {
	broker.Subscription
	rig *rig
}

func (r *rig) subscribe(queue string, prefetch int) *consumer {
	r.Helper()
	s, err := r.broker.Source(queue).Subscribe(r.background(), prefetch)
	r.ok(err, "subscribe to "+queue)
	r.Cleanup(func() {
		if err := s.Close(r.background()); err != nil {
			r.Errorf("closing a subscription: %v", err)
		}
	})
	return &consumer{Subscription: s, rig: r}
}

// next returns the next message, unsettled.
func (c *consumer) next() processor.Message {
	c.rig.Helper()
	ctx, cancel := context.WithTimeout(c.rig.Context(), patience)
	defer cancel()
	m, err := c.Receive(ctx)
	c.rig.ok(err, "receive")
	return m
}

// take returns the next messages, unsettled, which must have these bodies.
func (c *consumer) take(bodies ...string) []processor.Message {
	c.rig.Helper()
	var all []processor.Message
	for i, want := range bodies {
		m := c.next()
		if got := string(m.Body()); got != want {
			c.rig.failf("message %d is %q, not %q (of %q)", i, got, want, bodies)
		}
		all = append(all, m)
	}
	return all
}

// expect takes messages and acks them.
func (c *consumer) expect(bodies ...string) {
	c.rig.Helper()
	for _, body := range bodies {
		c.rig.ok(c.take(body)[0].Ack(), "ack")
	}
}

// nothing fails if a message comes.
func (c *consumer) nothing() {
	c.rig.Helper()
	ctx, cancel := context.WithTimeout(c.rig.Context(), quiet)
	defer cancel()
	switch m, err := c.Receive(ctx); {
	case err == nil:
		c.rig.failf("message %q came, and there should be none", m.Body())
	case !errors.Is(err, context.DeadlineExceeded):
		c.rig.failf("receive: %v", err)
	}
}

// stop and shut fail on an error.
func (c *consumer) stop() {
	c.rig.Helper()
	c.rig.ok(c.Stop(c.rig.background()), "stop")
}

func (c *consumer) shut() {
	c.rig.Helper()
	c.rig.ok(c.Close(c.rig.background()), "close")
}

// redelivered fails if the flag of a broker that has it is not as wanted.
func (r *rig) redelivered(m processor.Message, want bool) {
	r.Helper()
	if r.lacks(Redelivered) {
		return
	}
	if got := m.Origin().Redelivered; got != want {
		r.failf("the redelivered flag of %q is %v", m.Body(), got)
	}
}

package brokertest

import (
	"context"
	"errors"
	"slices"
	"time"

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
	s, err := r.broker.Source(queue).Subscribe(r.background(), broker.SubscribeOptions{Prefetch: prefetch})
	r.ok(err, "subscribe to "+queue)
	r.Cleanup(func() {
		if err := s.Close(r.background()); err != nil {
			r.Errorf("closing a subscription: %v", err)
		}
	})
	return &consumer{Subscription: s, rig: r}
}

// next returns the next message, unsettled.
func (c *consumer) next() *broker.Delivery {
	c.rig.Helper()
	ctx, cancel := context.WithTimeout(c.rig.Context(), patience)
	defer cancel()
	m, err := c.Receive(ctx)
	c.rig.ok(err, "receive")
	return m
}

// take returns the next messages, unsettled, which must have these bodies.
func (c *consumer) take(bodies ...string) []*broker.Delivery {
	c.rig.Helper()
	var all []*broker.Delivery
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

// all takes and acks messages that have these bodies, in whatever order.
func (c *consumer) all(bodies ...string) {
	c.rig.Helper()
	got := make([]string, len(bodies))
	for i := range got {
		m := c.next()
		got[i] = string(m.Body())
		c.rig.ok(m.Ack(), "ack")
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(bodies)); !slices.Equal(got, want) {
		c.rig.failf("of %q these came: %q", want, got)
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

// pause pauses, and waits until the messages that were not received are back.
func (c *consumer) pause() {
	c.rig.Helper()
	select {
	case <-c.Pause():
	case <-time.After(patience):
		c.rig.failf("what was not received does not go back in a pause")
	}
}

// shut fails on an error.
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

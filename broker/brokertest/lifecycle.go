package brokertest

import (
	"context"
	"io"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var lifecycleCases = []testCase{
	{
		name:  "a pause gives back what was not received",
		why:   "others get it at once, while messages in flight can still be acked: that is how a worker leaves without a duplicate",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2", "3", "4", "5")
			c := r.subscribe(q, 3)
			inHand := c.take("1")[0]
			c.pause()
			c.pause()
			other := r.subscribe(q, 10)
			other.expect("2", "3", "4", "5")
			r.ok(inHand.Ack(), "ack in hand, in a pause")
			c.shut()
			other.nothing()
		},
	},
	{
		name:  "a pause ends",
		why:   "a receive waits for it, and then goes on; messages in flight can be settled before, in and after it",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2", "3", "4")
			c := r.subscribe(q, 3)
			inHand := c.take("1", "2")
			r.ok(inHand[0].Ack(), "ack before the pause")
			c.Resume() // there is no pause to end
			c.pause()
			c.nothing()
			c.Resume()
			c.Resume()
			c.expect("3", "4")
			r.ok(inHand[1].Ack(), "ack after the pause")
			c.pause()
			r.fill(q, "5")
			c.nothing()
			c.Resume()
			c.expect("5")
			c.nothing()
		},
	},
	{
		name:  "a pause and its end in quick succession",
		why:   "nothing is lost, and nothing comes twice",
		needs: []Ability{Queues},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			c := r.subscribe(q, 2)
			for range 20 {
				c.Pause()
				c.Resume()
			}
			r.fill(q, "1")
			c.expect("1")
			c.Pause()
			c.Resume()
			c.Pause()
			r.fill(q, "2")
			c.Resume()
			c.expect("2")
			c.nothing()
		},
	},
	{
		name:  "close in a pause",
		why:   "messages in flight are redelivered, and there is nothing else to give back",
		needs: []Ability{Queues},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2")
			c := r.subscribe(q, 2)
			m := c.next()
			c.pause()
			c.shut()
			r.is(m.Ack(), processor.ErrStale, "ack after close")
			r.subscribe(q, 2).all("1", "2")
		},
	},
	{
		name: "receive ends with close",
		why:  "io.EOF, for a call that waits and for those that follow, in a pause as well",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			for _, paused := range []bool{false, true} {
				c := r.subscribe(q, 1)
				if paused {
					c.pause()
				}
				waiting := c.waitAside(r.background())
				c.shut()
				r.is(<-waiting, io.EOF, "the receive that waited")
				_, err := c.Receive(r.background())
				r.is(err, io.EOF, "the next receive")
			}
		},
	},
	{
		name: "receive ends with its context",
		why:  "the context's error, and the subscription goes on",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			c := r.subscribe(q, 1)
			ctx, cancel := context.WithCancel(r.background())
			waiting := c.waitAside(ctx)
			cancel()
			r.is(<-waiting, context.Canceled, "the receive that waited")
			_, err := c.Receive(ctx)
			r.is(err, context.Canceled, "receive with an ended context")
			r.fill(q, "m")
			c.expect("m")
		},
	},
	{
		name: "close of the broker",
		why:  "receives end with io.EOF, publishes with ErrClosed, late settlements with ErrStale; closing again is no error",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			c := r.subscribe(q, 2)
			r.fill(q, "m")
			m := c.take("m")[0]
			waiting := c.waitAside(r.background())
			for range 2 {
				r.ok(r.broker.Close(r.background()), "close the broker")
			}
			r.is(<-waiting, io.EOF, "the receive that waited")
			r.is(r.try(processor.Destination{RoutingKey: q}, text("late")), processor.ErrClosed, "publish")
			r.is(m.Ack(), processor.ErrStale, "ack")
			r.perished(m)
			c.pause()
			c.shut()
			if _, err := r.broker.Source(q).Subscribe(r.background(), broker.SubscribeOptions{Prefetch: 1}); err == nil {
				r.failf("a closed broker can be subscribed to")
			}
			if err := r.broker.Declare(r.background(), broker.Topology{}); err == nil {
				r.failf("a closed broker can be declared on")
			}
		},
	},
	{
		name: "close of a subscription, twice",
		why:  "closing again is no error, and neither is stopping what is closed",
		run: func(r *rig) {
			c := r.subscribe(r.queue("q", broker.Queue{}), 1)
			c.shut()
			c.shut()
			c.pause()
		},
	},
}

// waitAside receives in a goroutine, and returns its error. The receive has most
// likely begun when something else happens, and if not, its end is the same.
func (c *consumer) waitAside(ctx context.Context) <-chan error {
	err := make(chan error, 1)
	go func() {
		_, e := c.Receive(ctx)
		err <- e
	}()
	return err
}

package brokertest

import (
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var declareCases = []testCase{
	{
		name:  "declare is idempotent",
		why:   "every worker declares its topology, on every connection; parts that exist with the same arguments stay, and so do their messages",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			x, q := r.name("x"), r.name("q")
			t := broker.Topology{
				Exchanges: []broker.Exchange{{Name: x, Kind: broker.Topic}},
				Queues: []broker.Queue{{
					Name: q, Expires: lifetime, MessageTTL: time.Minute, MaxLength: 10,
					Overflow: broker.RejectPublish, DeadLetter: toQueue(q),
				}},
				Bindings: []broker.Binding{{Exchange: x, Queue: q, RoutingKey: "a.*"}},
			}
			r.declare(t)
			r.send(x, "a.b", text("kept"))
			r.declare(t)
			r.declare(t)
			c := r.subscribe(q, 5)
			c.expect("kept")
			r.send(x, "a.c", text("bound once"))
			c.expect("bound once")
			c.nothing()
		},
	},
	{
		name:  "a queue with other arguments is a mismatch",
		why:   "a part that exists with other arguments is ErrMismatch, and stays as it was",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{MessageTTL: time.Minute})
			err := r.broker.Declare(r.background(), broker.Topology{Queues: []broker.Queue{
				{Name: q, Expires: lifetime, MessageTTL: time.Hour},
			}})
			r.is(err, broker.ErrMismatch, "declare with another TTL")
			r.fill(q, "still there")
			r.subscribe(q, 1).expect("still there")
		},
	},
	{
		name:  "an exchange of another kind is a mismatch",
		why:   "an exchange that exists with another kind is ErrMismatch, and stays as it was",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			x, q := r.exchange("x", broker.Exchange{Kind: broker.Fanout}), r.queue("q", broker.Queue{})
			r.bind(x, q, "", nil)
			err := r.broker.Declare(r.background(), broker.Topology{Exchanges: []broker.Exchange{
				{Name: x, Kind: broker.Direct, AutoDelete: true},
			}})
			r.is(err, broker.ErrMismatch, "declare with another kind")
			r.send(x, "any key", text("still a fanout"))
			r.subscribe(q, 1).expect("still a fanout")
		},
	},
	{
		name:  "a binding needs its ends",
		why:   "a binding to or from something that does not exist is an error; otherwise messages would go nowhere",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			x, q := r.exchange("x", broker.Exchange{Kind: broker.Fanout}), r.queue("q", broker.Queue{})
			for _, b := range []broker.Binding{
				{Exchange: x, Queue: r.name("missing")},
				{Exchange: r.name("missing"), Queue: q},
			} {
				if r.broker.Declare(r.background(), broker.Topology{Bindings: []broker.Binding{b}}) == nil {
					r.failf("declaring %+v gave no error", b)
				}
			}
			r.bind(x, q, "", nil)
		},
	},
	{
		name:  "a topology that contradicts itself is refused",
		why:   "ErrTopology, and nothing is declared",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.name("q")
			err := r.broker.Declare(r.background(), broker.Topology{
				Queues:   []broker.Queue{{Name: q}},
				Bindings: []broker.Binding{{Queue: q}},
			})
			r.is(err, broker.ErrTopology, "declare a binding without an exchange")
			err = r.try(processor.Destination{RoutingKey: q}, text(""))
			r.is(err, processor.ErrUnroutable, "publish to the queue beside it")
		},
	},
	{
		name:  "subscribing to a missing queue",
		why:   "ErrNoQueue, at once: a worker must not wait without end on a queue that was never declared",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			_, err := r.broker.Source(r.name("missing")).Subscribe(r.background(), broker.SubscribeOptions{Prefetch: 1})
			r.is(err, broker.ErrNoQueue, "subscribe")
			q := r.queue("q", broker.Queue{})
			r.fill(q, "others are unhurt")
			r.subscribe(q, 1).expect("others are unhurt")
		},
	},
	{
		name: "a prefetch below one is refused",
		why:  "0 means no bound on the wire, and a consumer without a bound takes the whole queue into its memory",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			for _, prefetch := range []int{0, -1} {
				if _, err := r.broker.Source(q).Subscribe(r.background(), broker.SubscribeOptions{Prefetch: prefetch}); err == nil {
					r.failf("subscribing with prefetch %d gave no error", prefetch)
				}
			}
		},
	},
}

package brokertest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var publishCases = []testCase{
	{
		name:  "unroutable by key",
		why:   "ErrUnroutable: a broker would confirm a message that no queue takes, and it would be gone",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			x, q := r.exchange("x", broker.Exchange{Kind: broker.Direct}), r.queue("q", broker.Queue{})
			r.bind(x, q, "key", nil)
			r.unroutable(x, "other")
			r.send(x, "key", text("goes on"))
			r.subscribe(q, 1).expect("goes on")
		},
	},
	{
		name:  "unroutable by a missing exchange",
		why:   "ErrUnroutable; and what others publish at the same time arrives, although the broker closes the channel for it",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.unroutable(r.name("missing"), "key")
			r.fill(q, "goes on")
			r.subscribe(q, 1).expect("goes on")
		},
	},
	{
		name: "many publishers at once",
		why:  "each publish that returned nil is delivered, and exactly once",
		run:  manyPublishers,
	},
}

func manyPublishers(r *rig) {
	const publishers, each = 16, 50
	q := r.queue("q", broker.Queue{})
	errs := make(chan error, publishers)
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			var err error
			for n := range each {
				err = errors.Join(err, r.try(processor.Destination{RoutingKey: q}, text(fmt.Sprint(p, "/", n))))
			}
			errs <- err
		})
	}
	c := r.subscribe(q, 20)
	seen := map[string]bool{}
	for range publishers * each {
		m := c.next()
		if body := string(m.Body()); seen[body] {
			r.failf("%q was delivered twice", body)
		} else {
			seen[body] = true
		}
		r.ok(m.Ack(), "ack")
	}
	c.nothing()
	running.Wait()
	for range publishers {
		r.ok(<-errs, "publish")
	}
}

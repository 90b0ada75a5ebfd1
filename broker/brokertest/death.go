package brokertest

import (
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var deathCases = []testCase{
	{
		name: "x-death of a rejection",
		why:  "x-death says where a message died, why, how often, and where it had been published to",
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Topic})
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			r.bind(x, q, "a.*", nil)
			r.send(x, "a.b", processor.Envelope{Body: []byte("m"), Headers: processor.Headers{"CC": []any{"a.c"}, "BCC": []any{"a.d"}}})
			r.ok(r.subscribe(q, 1).take("m")[0].Nack(false), "nack")
			m := r.subscribe(dead, 1).take("m")[0]
			r.deaths(m, death{queue: q, reason: "rejected", exchange: x, key: "a.b a.c", count: 1})
			r.firstDeath(m, q, "rejected", x)
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "x-death of an expiration",
		why:  "x-death keeps the expiration, which the message loses; it has none where the queue's TTL did it",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{MessageTTL: 100 * time.Millisecond, DeadLetter: toQueue(dead)})
			r.fill(q, "by TTL")
			c := r.subscribe(dead, 1)
			m := c.take("by TTL")[0]
			r.deaths(m, death{queue: q, reason: "expired", key: q, count: 1})
			r.firstDeath(m, q, "expired", "")
			r.ok(m.Ack(), "ack")
			r.send("", q, expiring("by expiration", 50*time.Millisecond))
			m = c.take("by expiration")[0]
			r.deaths(m, death{queue: q, reason: "expired", key: q, count: 1, expiration: "50"})
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "x-death of a full queue",
		why:  "drop-head dead-letters the oldest message, for the reason maxlen",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{MaxLength: 1, DeadLetter: toQueue(dead)})
			r.fill(q, "1", "2")
			m := r.subscribe(dead, 1).take("1")[0]
			r.deaths(m, death{queue: q, reason: "maxlen", key: q, count: 1})
			r.firstDeath(m, q, "maxlen", "")
			r.ok(m.Ack(), "ack")
			r.subscribe(q, 1).expect("2")
		},
	},
	{
		name: "x-death counts by queue and reason",
		why:  "each queue and reason has one entry; the last death stands first; x-first-death stays, and from 4.0 on there is x-last-death",
		run:  chainOfDeaths,
	},
	{
		name: "x-death of a sender",
		why:  "entries that a publisher sends along are carried on and counted, and from 4.0 on forgotten at the next death: x-death is a claim, not a proof",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			claim := death{queue: q, reason: "rejected", exchange: "x", key: "k", count: 41}
			r.send("", q, processor.Envelope{Body: []byte("m"), Headers: processor.Headers{
				"x-death": []any{claim.table()},
			}})
			r.ok(r.subscribe(q, 1).take("m")[0].Nack(false), "nack")
			m := r.subscribe(dead, 1).take("m")[0]
			if r.version.ownDeaths {
				r.deaths(m, death{queue: q, reason: "rejected", key: q, count: 1})
				r.firstDeath(m, q, "rejected", "")
			} else {
				claim.count++
				r.deaths(m, claim)
			}
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "counts after a death",
		why:  "on 4.3 the failed deliveries of a message go along when a quorum queue dead-letters it, and count toward the limit of the next one: where dead messages are parked, the limit has to be high",
		run:  countsAfterDeath,
	},
}

func countsAfterDeath(r *rig) {
	dead := r.queue("dead", broker.Queue{Type: broker.Quorum, DeliveryLimit: 3})
	q := r.queue("q", broker.Queue{Type: broker.Quorum, DeliveryLimit: 10, DeadLetter: toQueue(dead)})
	r.fill(q, "m")
	c := r.subscribe(q, 1)
	for _, requeue := range []bool{true, true, false} {
		r.ok(c.take("m")[0].Nack(requeue), "nack")
	}
	c = r.subscribe(dead, 1)
	m := c.take("m")[0]
	came := r.version.countAfterDeath
	r.counts(m, came, came)
	r.redelivered(m, came > 0)
	r.ok(m.Nack(true), "nack")
	if r.version.countsGoOn {
		c.nothing() // with 3 it came, and this was the fourth
		r.ready(dead, 0)
		return
	}
	m = c.take("m")[0]
	r.counts(m, 1, 1)
	r.ok(m.Ack(), "ack")
}

func chainOfDeaths(r *rig) {
	c := r.queue("c", broker.Queue{})
	b := r.queue("b", broker.Queue{DeadLetter: toQueue(c)})
	a := r.queue("a", broker.Queue{DeadLetter: toQueue(b)})
	r.fill(a, "m")
	var m processor.Message
	for _, q := range []string{a, b} {
		m = r.subscribe(q, 1).take("m")[0]
		r.ok(m.Nack(false), "nack")
	}
	m = r.subscribe(c, 1).take("m")[0]
	inA, inB := death{queue: a, reason: "rejected", key: a, count: 1}, death{queue: b, reason: "rejected", key: b, count: 1}
	r.deaths(m, inB, inA)
	r.firstDeath(m, a, "rejected", "")
	r.lastDeath(m, b, "rejected", "")
	r.ok(m.Ack(), "ack")

	// A republish that keeps x-death, and dies of something else.
	again := expiring("m", 50*time.Millisecond)
	again.Headers = m.Headers()
	d := r.queue("d", broker.Queue{})
	e := r.queue("e", broker.Queue{DeadLetter: toQueue(d)})
	r.send("", e, again)
	m = r.subscribe(d, 1).take("m")[0]
	inE := death{queue: e, reason: "expired", key: e, count: 1, expiration: "50"}
	if r.version.ownDeaths {
		r.deaths(m, inE)
		r.firstDeath(m, e, "expired", "")
	} else {
		r.deaths(m, inE, inA, inB)
		r.firstDeath(m, a, "rejected", "")
	}
	r.lastDeath(m, e, "expired", "")
	r.ok(m.Ack(), "ack")
}

// death is an entry of x-death.
type death struct {
	queue, reason, exchange string
	key                     string // the keys, with spaces between
	count                   int64
	expiration              string // the original one
}

func (d death) table() processor.Headers {
	var keys []any
	for key := range strings.FieldsSeq(d.key) {
		keys = append(keys, key)
	}
	table := processor.Headers{
		"queue": d.queue, "reason": d.reason, "exchange": d.exchange, "routing-keys": keys, "count": d.count,
	}
	if d.expiration != "" {
		table["original-expiration"] = d.expiration
	}
	return table
}

// deaths fails unless x-death has these entries: the first in its place, the others in
// any order, and each with a time.
func (r *rig) deaths(m processor.Message, want ...death) {
	r.Helper()
	got, _ := m.Headers().List("x-death")
	if len(got) != len(want) || !sameDeath(got[0], want[0]) {
		r.failf("x-death is %v, not %+v", got, want)
	}
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || sameDeath(g, w)
		}
		if !found {
			r.failf("x-death is %v, without %+v", got, w)
		}
	}
}

func sameDeath(got any, want death) bool {
	table, ok := got.(processor.Headers)
	if !ok {
		return false
	}
	table = table.Clone()
	at, timed := table["time"].(time.Time)
	claimed := want.exchange == "x" // a sender's claim has no time
	delete(table, "time")
	return (claimed || timed && !at.IsZero()) && same(table, want.table())
}

func (r *rig) firstDeath(m processor.Message, queue, reason, exchange string) {
	r.Helper()
	r.deathHeaders(m, "x-first-death-", queue, reason, exchange)
}

// lastDeath fails also where there should be none.
func (r *rig) lastDeath(m processor.Message, queue, reason, exchange string) {
	r.Helper()
	if r.version.ownDeaths {
		r.deathHeaders(m, "x-last-death-", queue, reason, exchange)
	} else if at, ok := m.Headers()["x-last-death-queue"]; ok {
		r.failf("there is an x-last-death-queue, %v", at)
	}
}

func (r *rig) deathHeaders(m processor.Message, prefix, queue, reason, exchange string) {
	r.Helper()
	for name, want := range map[string]string{"queue": queue, "reason": reason, "exchange": exchange} {
		if got, ok := m.Headers().String(prefix + name); !ok || got != want {
			r.failf("%s is %q, not %q", prefix+name, got, want)
		}
	}
}

func withoutDeath(h processor.Headers) processor.Headers {
	h = h.Clone()
	for name := range h {
		if name == "x-death" || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-") {
			delete(h, name)
		}
	}
	return h
}

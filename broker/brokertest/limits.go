package brokertest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var limitCases = []testCase{
	{
		name:  "oversize is refused, and siblings are unhurt",
		why:   "sent as it is, an oversize key or header closes the connection with everybody's messages on it; it must be ErrTooLarge before that",
		needs: []Ability{Limits},
		run:   oversize,
	},
	{
		name: "header types that cannot be sent",
		why:  "ErrHeaderType, nothing is sent, and the connection lives",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			for _, value := range []any{
				uint64(1 << 63), struct{}{}, make(chan int), []string{"s"}, map[string]string{},
				[]any{struct{}{}}, processor.Headers{"k": complex(1, 1)},
			} {
				r.is(r.try(processor.Destination{RoutingKey: q}, processor.Envelope{Headers: processor.Headers{"h": value}}),
					processor.ErrHeaderType, fmt.Sprintf("publish a header of type %T", value))
			}
			r.fill(q, "goes on")
			r.subscribe(q, 1).expect("goes on")
		},
	},
	{
		name:  "an x-death that no broker wrote",
		why:   "ErrHeaderType: RabbitMQ's queues crash on an x-death that is not an array of tables",
		needs: []Ability{Limits},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			for _, value := range []any{"x", []any{"x"}, int64(1), processor.Headers{}} {
				r.is(r.try(processor.Destination{RoutingKey: q}, processor.Envelope{Headers: processor.Headers{"x-death": value}}),
					processor.ErrHeaderType, fmt.Sprintf("publish x-death %v", value))
			}
		},
	},
	{
		name:  "a body over 16 MiB",
		why:   "from 4.0 on RabbitMQ closes the channel of a larger one, with everybody's messages on it: it must be ErrTooLarge, and siblings are unhurt",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			body := make([]byte, 16<<20+1)
			err := r.try(processor.Destination{RoutingKey: q}, processor.Envelope{Body: body})
			c := r.subscribe(q, 1)
			if len(body) > r.version.maxBody {
				r.is(err, processor.ErrTooLarge, "publish it")
			} else {
				r.ok(err, "publish it")
				c.expect(string(body))
			}
			r.fill(q, "goes on")
			c.expect("goes on")
		},
	},
	{
		name:  "full with drop-head",
		why:   "a full queue drops its oldest message for the new one",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{MaxLength: 2})
			r.fill(q, "1", "2", "3", "4")
			c := r.subscribe(q, 5)
			c.expect("3", "4")
			c.nothing()
		},
	},
	{
		name:  "full with reject-publish",
		why:   "a full queue refuses the new message with ErrRefused and keeps the old ones; messages in flight do not count",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{MaxLength: 2, Overflow: broker.RejectPublish})
			r.fill(q, "1", "2")
			r.is(r.try(processor.Destination{RoutingKey: q}, text("3")), processor.ErrRefused, "publish to a full queue")
			c := r.subscribe(q, 2)
			inHand := c.take("1", "2")
			r.fill(q, "4", "5")
			r.is(r.try(processor.Destination{RoutingKey: q}, text("6")), processor.ErrRefused, "publish to a full queue")
			for _, m := range inHand {
				r.ok(m.Ack(), "ack")
			}
			c.expect("4", "5")
			c.nothing()
		},
	},
	{
		name:  "one full queue of two",
		why:   "ErrRefused: the message is not in every queue that it was meant for, so the publisher must not think so",
		needs: []Ability{Topologies},
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Fanout})
			wide, full := r.queue("wide", broker.Queue{}), r.queue("full", broker.Queue{MaxLength: 1, Overflow: broker.RejectPublish})
			r.bind(x, wide, "", nil)
			r.bind(x, full, "", nil)
			r.send(x, "", text("1"))
			r.is(r.try(processor.Destination{Exchange: x}, text("2")), processor.ErrRefused, "publish to both")
			r.subscribe(wide, 5).expect("1", "2")
			r.subscribe(full, 5).expect("1")
		},
	},
}

func oversize(r *rig) {
	q := r.queue("q", broker.Queue{})
	r.fill(q, "before")
	during := make(chan error)
	const siblings = 50
	go func() {
		var err error
		for range siblings {
			if e := r.try(processor.Destination{RoutingKey: q}, text("during")); e != nil {
				err = e
			}
		}
		during <- err
	}()
	long := strings.Repeat("x", 256)
	type props = processor.Properties
	type h = processor.Headers
	for _, row := range []struct {
		what string
		to   processor.Destination
		e    processor.Envelope
	}{
		{"a routing key", processor.Destination{RoutingKey: long}, processor.Envelope{}},
		{"an exchange", processor.Destination{Exchange: long}, processor.Envelope{}},
		{"an id", processor.Destination{}, processor.Envelope{Properties: props{ID: long}}},
		{"a correlation id", processor.Destination{}, processor.Envelope{Properties: props{CorrelationID: long}}},
		{"a reply-to", processor.Destination{}, processor.Envelope{Properties: props{ReplyTo: long}}},
		{"a type", processor.Destination{}, processor.Envelope{Properties: props{Type: long}}},
		{"an app id", processor.Destination{}, processor.Envelope{Properties: props{AppID: long}}},
		{"a user id", processor.Destination{}, processor.Envelope{Properties: props{UserID: long}}},
		{"a content type", processor.Destination{}, processor.Envelope{Properties: props{ContentType: long}}},
		{"a content encoding", processor.Destination{}, processor.Envelope{Properties: props{ContentEncoding: long}}},
		{"a header's name", processor.Destination{}, processor.Envelope{Headers: h{long: true}}},
		{"a nested header's name", processor.Destination{}, processor.Envelope{Headers: h{"t": h{long: true}}}},
		{"headers", processor.Destination{}, processor.Envelope{Headers: h{"h": bytes.Repeat([]byte("x"), 200_000)}}},
	} {
		if row.to == (processor.Destination{}) {
			row.to.RoutingKey = q
		}
		r.is(r.try(row.to, row.e), processor.ErrTooLarge, "publish with too large "+row.what)
	}
	r.ok(<-during, "publish beside what was refused")
	r.fill(q, "after")
	c := r.subscribe(q, 10)
	count := map[string]int{}
	for range siblings + 2 {
		m := c.next()
		count[string(m.Body())]++
		r.ok(m.Ack(), "ack")
	}
	if count["before"] != 1 || count["during"] != siblings || count["after"] != 1 {
		r.failf("of the siblings these came: %v", count)
	}
	c.nothing()
}

package brokertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var routingCases = []testCase{
	{
		name: "direct exchange",
		why:  "a direct exchange routes to every queue that is bound with exactly the key, once",
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Direct})
			a, b := r.queue("a", broker.Queue{}), r.queue("b", broker.Queue{})
			r.bind(x, a, "red", nil)
			r.bind(x, a, "green", nil)
			r.bind(x, b, "green", nil)
			r.send(x, "red", text("1"))
			r.send(x, "green", text("2"))
			r.unroutable(x, "Red")
			r.unroutable(x, "")
			r.subscribe(a, 5).expect("1", "2")
			r.subscribe(b, 5).expect("2")
		},
	},
	{
		name: "fanout exchange",
		why:  "a fanout exchange routes to every bound queue, whatever the key, once",
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Fanout})
			r.unroutable(x, "")
			a, b := r.queue("a", broker.Queue{}), r.queue("b", broker.Queue{})
			r.bind(x, a, "one", nil)
			r.bind(x, a, "two", nil)
			r.bind(x, b, "", nil)
			r.send(x, "two", text("m"))
			for _, q := range []string{a, b} {
				c := r.subscribe(q, 5)
				c.expect("m")
				c.nothing()
			}
		},
	},
	{
		name: "topic exchange",
		why:  "words are what stands between dots; * is one of them, # any number; the empty key has none",
		run:  topics,
	},
	{
		name: "headers exchange",
		why:  "x-match all wants every argument, any wants one; those that start with x- are not looked at; integers of any size are compared by value, and up to 3.10 with floats too",
		run:  headers,
	},
	{
		name: "default exchange",
		why:  "every queue is bound to the default exchange by its name",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "m")
			r.unroutable("", r.name("other"))
			m := r.subscribe(q, 1).take("m")[0]
			r.origin(m, processor.Origin{Queue: q, RoutingKey: q})
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "alternate exchange",
		why:  "what an exchange cannot route goes to its alternate exchange, under its first exchange's name; an alternate that has no queue either leaves it unroutable",
		run: func(r *rig) {
			last := r.exchange("last", broker.Exchange{Kind: broker.Fanout})
			middle := r.exchange("middle", broker.Exchange{Kind: broker.Direct, Alternate: last})
			x := r.exchange("x", broker.Exchange{Kind: broker.Direct, Alternate: middle})
			r.unroutable(x, "lost")
			known, rest := r.queue("known", broker.Queue{}), r.queue("rest", broker.Queue{})
			r.bind(x, known, "known", nil)
			r.bind(last, rest, "", nil)
			r.send(x, "known", text("1"))
			r.send(x, "lost", text("2"))
			r.subscribe(known, 5).expect("1")
			c := r.subscribe(rest, 5)
			m := c.take("2")[0]
			r.origin(m, processor.Origin{Queue: rest, Exchange: x, RoutingKey: "lost"})
			r.ok(m.Ack(), "ack")
			c.nothing()
		},
	},
	{
		name: "CC and BCC",
		why:  "CC and BCC are further routing keys; a queue gets the message once, and nobody sees BCC",
		run: func(r *rig) {
			a, b, c := r.queue("a", broker.Queue{}), r.queue("b", broker.Queue{}), r.queue("c", broker.Queue{})
			r.send("", a, processor.Envelope{Body: []byte("m"), Headers: processor.Headers{
				"CC": []any{b, b, a}, "BCC": []any{c, b},
			}})
			for _, q := range []string{a, b, c} {
				sub := r.subscribe(q, 5)
				m := sub.take("m")[0]
				r.sameHeaders(m.Headers(), processor.Headers{"CC": []any{b, b, a}})
				r.origin(m, processor.Origin{Queue: q, RoutingKey: a})
				r.ok(m.Ack(), "ack")
				sub.nothing()
			}
		},
	},
}

// unroutable fails unless publishing is ErrUnroutable.
func (r *rig) unroutable(exchange, key string) {
	r.Helper()
	to := processor.Destination{Exchange: exchange, RoutingKey: key}
	r.is(r.try(to, text("")), processor.ErrUnroutable, "publish to "+to.String())
}

func (r *rig) origin(m processor.Message, want processor.Origin) {
	r.Helper()
	got := m.Origin()
	if _, died := m.Headers()["x-death"]; died {
		got.Redelivered = want.Redelivered // on 4.3 it depends on whether a consumer waited for it
	}
	if got != want {
		r.failf("the origin of %q is %+v, not %+v", m.Body(), got, want)
	}
}

// routed fails unless the message is routed, or is unroutable, as wanted.
func (r *rig) routed(exchange, key string, h processor.Headers, want bool, what string) {
	r.Helper()
	err := r.try(processor.Destination{Exchange: exchange, RoutingKey: key}, processor.Envelope{Headers: h})
	if err != nil && !errors.Is(err, processor.ErrUnroutable) {
		r.failf("%s: %v", what, err)
	}
	if got := err == nil; got != want {
		r.failf("%s: routed is %v", what, got)
	}
}

func topics(r *rig) {
	for i, row := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a", "."}},
		{"#", []string{"", "a", "a.b.c", ".", "#", "*"}, nil},
		{"*", []string{"a", "*", "#"}, []string{"", ".", "a.b"}},
		{"*.*", []string{"a.b", ".", "a."}, []string{"a", "", "a.b.c"}},
		{"a.b", []string{"a.b"}, []string{"a", "a.B", "a.b.", "a.*", "a.#"}},
		{"a.*", []string{"a.b", "a."}, []string{"a", "a.b.c", "b.a"}},
		{"a.#", []string{"a", "a.", "a.b", "a.b.c"}, []string{"b", "", "ab"}},
		{"#.a", []string{"a", "b.a", "c.b.a"}, []string{"a.b", "ba"}},
		{"#.a.#", []string{"a", "b.a.c", "a.c", "b.a"}, []string{"b", ""}},
		{"a.#.b", []string{"a.b", "a.x.b", "a.x.y.b"}, []string{"a", "a.b.c"}},
		{"a.#.#.b", []string{"a.b", "a.x.b"}, []string{"a.x"}},
		{"a.*.b", []string{"a.x.b", "a..b"}, []string{"a.b", "a.x.y.b"}},
		{"#.*", []string{"a", "a.b"}, []string{""}},
		{"*.#", []string{"a", "a.b.c"}, []string{""}},
		{"#.", []string{"a.", "."}, []string{"a", ""}},
		{"a*", []string{"a*"}, []string{"ab", "a"}},
		{"a.#b", []string{"a.#b"}, []string{"a.b"}},
	} {
		x := r.exchange(fmt.Sprint("x", i), broker.Exchange{Kind: broker.Topic})
		q := r.queue(fmt.Sprint("q", i), broker.Queue{})
		r.bind(x, q, row.pattern, nil)
		for want, keys := range map[bool][]string{true: row.yes, false: row.no} {
			for _, key := range keys {
				r.routed(x, key, nil, want, fmt.Sprintf("pattern %q, key %q", row.pattern, key))
			}
		}
	}
}

func headers(r *rig) {
	type h = processor.Headers
	for i, row := range []struct {
		binding h
		yes, no []h
	}{
		{h{"x-match": "all", "a": "1", "b": int64(2)},
			[]h{{"a": "1", "b": int64(2)}, {"a": "1", "b": int64(2), "c": true}},
			[]h{{"a": "1"}, {"a": "1", "b": int64(3)}, {"b": int64(2)}, nil}},
		{h{"a": "1", "b": "2"}, // all is the default
			[]h{{"a": "1", "b": "2"}},
			[]h{{"a": "1"}}},
		{h{"x-match": "any", "a": "1", "b": int64(2)},
			[]h{{"a": "1"}, {"b": int64(2), "a": "other"}},
			[]h{{"a": "2"}, {"c": "1"}, nil}},
		{h{"x-match": "all", "x-a": "1", "b": "2"},
			[]h{{"b": "2"}, {"b": "2", "x-a": "other"}},
			[]h{{"x-a": "1"}}},
		{h{"x-match": "any", "x-a": "1"}, nil, []h{{"x-a": "1"}, nil}},
		{h{"x-match": "all-with-x", "x-a": "1"}, []h{{"x-a": "1"}}, []h{{"x-a": "2"}, nil}},
		{h{"x-match": "any"}, nil, []h{nil, {"a": "1"}}},
		{h{"x-match": "all"}, []h{nil, {"a": "1"}}, nil},
		{h{"a": nil}, []h{{"a": "anything"}, {"a": int64(1)}}, []h{{"b": "1"}}},
		{h{"n": int32(5)},
			[]h{{"n": int64(5)}, {"n": int16(5)}, {"n": int8(5)}, {"n": uint8(5)}},
			[]h{{"n": "5"}, {"n": int64(6)}, {"n": 5.5}, {"n": true}, {"n": nil}, {"n": processor.Decimal{Value: 5}}}},
		{h{"n": 5.0}, []h{{"n": float32(5)}}, []h{{"n": "5"}, {"n": 5.5}, {"n": processor.Decimal{Value: 5}}}},
		{h{"n": processor.Decimal{Value: 5}},
			[]h{{"n": processor.Decimal{Value: 5}}},
			[]h{{"n": processor.Decimal{Scale: 1, Value: 50}}, {"n": int64(5)}, {"n": 5.0}}},
		{h{"t": true}, []h{{"t": true}}, []h{{"t": false}, {"t": "true"}, {"t": int64(1)}}},
		{h{"s": "abc"}, []h{{"s": []byte("abc")}}, []h{{"s": "ABC"}}},
	} {
		x := r.exchange(fmt.Sprint("x", i), broker.Exchange{Kind: broker.HeadersKind})
		q := r.queue(fmt.Sprint("q", i), broker.Queue{})
		r.bind(x, q, "", row.binding)
		for want, all := range map[bool][]h{true: row.yes, false: row.no} {
			for _, sent := range all {
				r.routed(x, "key", sent, want, fmt.Sprintf("binding %v, headers %v", row.binding, sent))
			}
		}
	}
	mixed := r.exchange("mixed", broker.Exchange{Kind: broker.HeadersKind})
	r.bind(mixed, r.queue("mixed", broker.Queue{}), "", h{"n": int32(5)})
	r.routed(mixed, "key", h{"n": 5.0}, r.version.mixedNumbers, "binding 5, header 5.0")
	r.routed(mixed, "key", h{"n": time.Unix(5, 0)}, r.version.mixedNumbers, "binding 5, header a time")
	timed := r.exchange("timed", broker.Exchange{Kind: broker.HeadersKind})
	r.bind(timed, r.queue("timed", broker.Queue{}), "", h{"n": time.Unix(5, 0)})
	r.routed(timed, "key", h{"n": int64(5)}, true, "binding a time, header 5")
	r.routed(timed, "key", h{"n": time.Unix(5, 0)}, r.version.mixedNumbers, "binding and header a time")
}

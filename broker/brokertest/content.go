package brokertest

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var contentCases = []testCase{
	{
		name: "header types come back as they were",
		why:  "every type in the comment of processor.Headers arrives as itself, nested ones too; the others as the type that stands for them",
		run: func(r *rig) {
			type h = processor.Headers
			sent := h{
				"int": -7, "long int": -1<<31 - 1, "uint": uint(7), "long uint": uint(math.MaxUint32), "uint64": uint64(7),
				"map": map[string]any{"k": 1},
			}
			want := h{
				"int": int32(-7), "long int": int64(-1<<31 - 1), "uint": int32(7), "long uint": int64(math.MaxUint32), "uint64": int64(7),
				"map": h{"k": int32(1)},
			}
			for name, value := range everyHeaderType() {
				sent[name], want[name] = value, value
			}
			r.sameHeaders(r.roundTrip(processor.Envelope{Headers: sent}).Headers(), want)
		},
	},
	{
		name: "properties come back as they were",
		why:  "each property arrives as it was sent; a fraction of a millisecond of expiration is rounded up, so that 0 stays none",
		run: func(r *rig) {
			for _, row := range []struct{ sent, want processor.Properties }{
				{processor.Properties{ID: "id"}, processor.Properties{ID: "id"}},
				{processor.Properties{CorrelationID: "c"}, processor.Properties{CorrelationID: "c"}},
				{processor.Properties{ReplyTo: "r"}, processor.Properties{ReplyTo: "r"}},
				{processor.Properties{Type: "t"}, processor.Properties{Type: "t"}},
				{processor.Properties{AppID: "a"}, processor.Properties{AppID: "a"}},
				{processor.Properties{ContentType: "text/plain"}, processor.Properties{ContentType: "text/plain"}},
				{processor.Properties{ContentEncoding: "gzip"}, processor.Properties{ContentEncoding: "gzip"}},
				{processor.Properties{Expiration: time.Hour}, processor.Properties{Expiration: time.Hour}},
				{processor.Properties{Expiration: time.Minute + 1}, processor.Properties{Expiration: time.Minute + time.Millisecond}},
				{processor.Properties{Timestamp: time.Unix(1_700_000_000, 999)}, processor.Properties{Timestamp: time.Unix(1_700_000_000, 0)}},
				{processor.Properties{Priority: 9}, processor.Properties{Priority: 9}},
				{processor.Properties{PriorityZero: true}, processor.Properties{PriorityZero: true}},
				{processor.Properties{Transient: true}, processor.Properties{Transient: true}},
				{allProperties(), allProperties()},
				{},
			} {
				r.sameProperties(r.roundTrip(processor.Envelope{Properties: row.sent}).Properties(), row.want)
			}
		},
	},
	{
		name: "empty body, nil headers",
		why:  "a message may be nothing but a signal",
		run: func(r *rig) {
			for _, e := range []processor.Envelope{{}, {Body: []byte{}, Headers: processor.Headers{}}} {
				m := r.roundTrip(e)
				if len(m.Body()) != 0 || len(m.Headers()) != 0 {
					r.failf("body %q and headers %v came back", m.Body(), m.Headers())
				}
			}
		},
	},
	{
		name: "a body of 1 MiB",
		why:  "a body may span many frames",
		run: func(r *rig) {
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			if got := r.roundTrip(processor.Envelope{Body: body}).Body(); !bytes.Equal(got, body) {
				r.failf("%d bytes came back, or others", len(got))
			}
		},
	},
	{
		name: "what was published may be used again",
		why:  "Publish does not keep the body or the headers after it returns",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			bytes, list := []byte("1"), []any{"1"}
			e := processor.Envelope{Body: []byte("first"), Headers: processor.Headers{"bytes": bytes, "list": list}}
			r.send("", q, e)
			e.Body[0], bytes[0], list[0] = 'X', 'X', "X"
			e.Headers["new"] = true
			m := r.subscribe(q, 1).take("first")[0]
			r.sameHeaders(m.Headers(), processor.Headers{"bytes": []byte("1"), "list": []any{"1"}})
			r.ok(m.Ack(), "ack")
		},
	},
}

// roundTrip publishes e to a queue of its own, takes it and acks it.
func (r *rig) roundTrip(e processor.Envelope) processor.Message {
	r.Helper()
	q := r.queue(fmt.Sprint("round-trip-", counter.Add(1)), broker.Queue{})
	r.send("", q, e)
	c := r.subscribe(q, 1)
	m := c.next()
	r.ok(m.Ack(), "ack")
	c.shut()
	return m
}

func everyHeaderType() processor.Headers {
	type h = processor.Headers
	all := h{
		"nil": nil, "true": true, "false": false,
		"int8": int8(-8), "int16": int16(math.MinInt16), "int32": int32(math.MinInt32), "int64": int64(math.MinInt64),
		"uint8": uint8(255), "uint16": uint16(math.MaxUint16), "uint32": uint32(math.MaxUint32), "float32": float32(1.5), "float64": 1e300,
		"string": "grüße, 世界", "no string": "", "bytes": []byte{0, 255}, "no bytes": []byte{},
		"decimal": processor.Decimal{Scale: 2, Value: 12345},
		"time":    time.Unix(1_700_000_000, 0),
		"no list": []any{}, "no table": h{},
	}
	nested := all.Clone()
	all["list"] = []any{nil, true, int8(1), int64(2), "s", []byte("b"), []any{int32(3)}, h{"k": "v"}}
	all["table"] = h{"deep": h{"deeper": nested}}
	return all
}

func allProperties() processor.Properties {
	return processor.Properties{
		ID: "id", CorrelationID: "correlation", ReplyTo: "reply", Type: "type", AppID: "app",
		ContentType: "application/json", ContentEncoding: "utf-8",
		Expiration: time.Hour, Timestamp: time.Unix(1_700_000_000, 0), Priority: 255, Transient: true,
	}
}

func (r *rig) sameHeaders(got, want processor.Headers) {
	r.Helper()
	for name, value := range want {
		if !same(value, got[name]) {
			r.failf("header %q is %#v, not %#v", name, got[name], value)
		}
	}
	for name, value := range got {
		if _, ok := want[name]; !ok {
			r.failf("there is a header %q: %#v", name, value)
		}
	}
}

func (r *rig) sameProperties(got, want processor.Properties) {
	r.Helper()
	if !got.Timestamp.Equal(want.Timestamp) {
		r.failf("the timestamp is %v, not %v", got.Timestamp, want.Timestamp)
	}
	got.Timestamp, want.Timestamp = time.Time{}, time.Time{}
	if got != want {
		r.failf("the properties are %+v, not %+v", got, want)
	}
}

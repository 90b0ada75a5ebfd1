package delay_test

import (
	"context"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// redeclared is a broker that records the topologies it redeclares.
type redeclared struct{ topologies []broker.Topology }

func (r *redeclared) Redeclare(_ context.Context, t broker.Topology) error {
	r.topologies = append(r.topologies, t)
	return nil
}

// published is a message, and where it was published.
type published struct {
	to processor.Destination
	processor.Envelope
}

// compatible delays e and returns the redeclared topologies and the published message.
func compatible(tb testing.TB, e processor.Envelope, d time.Duration) (published, []broker.Topology) {
	tb.Helper()
	var r redeclared
	var p published
	c, err := delay.Compatible(&r)("rpc-mail", nil)
	require.NoError(tb, err)
	err = c.Delay(tb.Context(), processor.PublisherFunc(func(_ context.Context, to processor.Destination, e processor.Envelope) error {
		p = published{to, e}
		return nil
	}), e, d)
	require.NoError(tb, err)
	return p, r.topologies
}

func withHeaders(h processor.Headers) processor.Envelope { return processor.Envelope{Headers: h} }

// Python's own layout, to the type of each number.
func TestWhatCompatibleDeclaresAndPublishes(t *testing.T) {
	t.Parallel()
	p, topologies := compatible(t, withHeaders(processor.Headers{"app": "x"}), 1499*time.Millisecond+1)
	require.Equal(t, []broker.Topology{{
		Exchanges: []broker.Exchange{{Name: "backoff", Kind: broker.HeadersKind}},
		Queues: []broker.Queue{{
			Name: "backoff--1500ms", Type: broker.Classic, DeadLetter: &broker.DeadLetter{},
			Arguments: processor.Headers{"x-expires": int32(6500)},
		}},
		Bindings: []broker.Binding{{
			Exchange: "backoff", Queue: "backoff--1500ms",
			Arguments: processor.Headers{"backoff": int32(1500), "x-match": "any"},
		}},
	}}, topologies)
	require.Equal(t, processor.Headers{
		"x-queue-type": "classic", "x-expires": int32(6500), "x-dead-letter-exchange": "",
	}, topologies[0].Queues[0].AllArguments())
	require.Equal(t, published{processor.Destination{Exchange: "backoff", RoutingKey: "rpc-mail"}, processor.Envelope{
		Headers:    processor.Headers{"app": "x", "backoff": int32(1500)},
		Properties: processor.Properties{Expiration: 1500 * time.Millisecond},
	}}, p)
}

func TestCompatibleDelaysOfNoneGoStraightToTheWorkQueue(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -1, math.MinInt64} {
		p, topologies := compatible(t, withHeaders(processor.Headers{"app": "x", republish.HeaderBackoffs: 2}), d)
		require.Empty(t, topologies)
		require.Equal(t, processor.Destination{RoutingKey: "rpc-mail"}, p.to)
		require.Zero(t, p.Expiration)
		require.NotContains(t, p.Headers, "backoff")
		require.EqualValues(t, 2, waits(t, p.Headers), "the broker does not count this one")
	}
}

func waits(tb testing.TB, h processor.Headers) int64 {
	tb.Helper()
	c, err := delay.Compatible(&redeclared{})("rpc-mail", nil)
	require.NoError(tb, err)
	return c.Waits(h)
}

// Earlier delays, as Python counts them. The broker adds this one.
func TestWhatCompatibleWritesIntoXDeath(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		backoffs any
		count    int64 // 0: no x-death
	}{
		"none":         {nil, 0},
		"the first":    {int64(1), 0},
		"the third":    {int64(3), 2},
		"negative":     {int64(-3), 0},
		"no number":    {"many", 0},
		"the least":    {int64(math.MinInt64), 0},
		"a text":       {"4", 3},
		"the greatest": {int64(math.MaxInt64), math.MaxInt32 - 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forged := []any{processor.Headers{"exchange": "backoff", "count": int64(1_000_000)}, "x"}
			h := processor.Headers{"x-death": forged, republish.HeaderBackoffs: tc.backoffs}
			p, _ := compatible(t, withHeaders(h), time.Second)
			require.Equal(t, forged, h["x-death"], "the caller's headers are left as they are")
			require.Equal(t, tc.count, waits(t, p.Headers))
			if tc.count == 0 {
				require.NotContains(t, p.Headers, "x-death")
				return
			}
			deaths, _ := p.Headers.List("x-death")
			require.Len(t, deaths, 1)
			entry, ok := deaths[0].(processor.Headers)
			require.True(t, ok)
			at, ok := entry["time"].(time.Time)
			require.True(t, ok)
			require.WithinDuration(t, time.Now(), at, time.Minute)
			require.Zero(t, at.Nanosecond())
			delete(entry, "time")
			require.Equal(t, processor.Headers{
				"count": tc.count, "exchange": "backoff", "queue": "backoff--1000ms", "reason": "expired", "routing-keys": []any{"rpc-mail"},
			}, entry)
		})
	}
}

func TestWaitsOfCompatible(t *testing.T) {
	t.Parallel()
	in := func(exchange, count any) processor.Headers {
		return processor.Headers{"queue": "backoff--1ms", "exchange": exchange, "count": count}
	}
	for name, tc := range map[string]struct {
		deaths any
		want   int64
	}{
		"none":         {nil, 0},
		"one":          {[]any{in("backoff", int64(1))}, 1},
		"a sum":        {[]any{in("backoff", int64(1)), in("mail", int64(9)), in("backoff", int32(2))}, 3},
		"another":      {[]any{in("", int64(1)), in("backoff2", int64(1)), in(nil, int64(1))}, 0},
		"negative":     {[]any{in("backoff", int64(math.MinInt64)), in("backoff", int64(2))}, 2},
		"the greatest": {[]any{in("backoff", int64(math.MaxInt64)), in("backoff", uint64(math.MaxUint64))}, math.MaxInt64},
		"malformed":    {[]any{nil, 1, "x", []any{}, in("backoff", "x"), in([]byte("backoff"), "2")}, 2},
		"a text":       {"x-death", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, waits(t, processor.Headers{"x-death": tc.deaths}))
		})
	}
}

func TestCompatibleMarksWhatNamekoReads(t *testing.T) {
	t.Parallel()
	request := func(more processor.Headers) processor.Headers {
		h := processor.Headers{"warren-original-exchange": "nameko-rpc", "warren-original-routing-key": "mail.send"}
		maps.Copy(h, more)
		return h
	}
	calls := func(ids ...any) processor.Headers { return processor.Headers{"nameko.call_id_stack": ids} }
	for name, tc := range map[string]struct {
		headers       processor.Headers
		method, calls any
	}{
		"a request":                     {request(calls("a", "b")), "mail.send", []any{"a", "b.backoff"}},
		"that was delayed before":       {request(calls("a", "b.backoff")), "mail.send", []any{"a", "b.backoff"}},
		"by Python":                     {processor.Headers{"nameko.rpc_method_id": "mail.send", "warren-original-exchange": "nameko-rpc", "warren-original-routing-key": "rpc-mail"}, "mail.send", nil},
		"whose method is nothing":       {request(processor.Headers{"nameko.rpc_method_id": nil}), "mail.send", nil},
		"without a key":                 {processor.Headers{"warren-original-exchange": "nameko-rpc"}, nil, nil},
		"an event":                      {processor.Headers{"warren-original-exchange": "mail.events", "warren-original-routing-key": "sent", "nameko.call_id_stack": []any{"a"}}, nil, []any{"a.backoff"}},
		"no calls":                      {calls(), nil, []any(nil)},
		"calls that are no texts":       {calls("a", int32(1), "b"), nil, []any{"a", int32(1), "b"}},
		"calls that are no array":       {processor.Headers{"nameko.call_id_stack": "a"}, nil, "a"},
		"a message of no nameko at all": {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, _ := tc.headers.List("nameko.call_id_stack")
			before = append([]any(nil), before...)
			p, _ := compatible(t, withHeaders(tc.headers), time.Second)
			require.Equal(t, tc.method, p.Headers["nameko.rpc_method_id"])
			require.Equal(t, tc.calls, p.Headers["nameko.call_id_stack"])
			if after, ok := tc.headers.List("nameko.call_id_stack"); ok {
				require.ElementsMatch(t, before, after, "the message's own array is left as it is")
			}
		})
	}
}

func TestLimitsOfCompatible(t *testing.T) {
	t.Parallel()
	longest := (math.MaxInt32 - 5000) * time.Millisecond
	p, topologies := compatible(t, text("m"), longest)
	require.Equal(t, int32(math.MaxInt32-5000), p.Headers["backoff"])
	require.Equal(t, int32(math.MaxInt32), topologies[0].Queues[0].Arguments["x-expires"])

	c, err := delay.Compatible(&redeclared{})("mail", []time.Duration{longest})
	require.NoError(t, err)
	err = c.Delay(t.Context(), nil, text("m"), longest+1)
	require.ErrorIs(t, err, delay.ErrTooLong)
	var tooLong *delay.TooLongError
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, delay.TooLongError{Asked: longest + 1, Longest: longest}, *tooLong)
	require.Equal(t, broker.Topology{
		Exchanges: []broker.Exchange{{Name: "backoff", Kind: broker.HeadersKind}}, Owned: []string{"mail.delay.v1."},
	}, c.Topology())
	require.Equal(t, "compatible with nameko-amqp-retry, classic", c.String())

	for want, make := range map[string]func() (delay.Delayer, error){
		"no use for the option Classic":   func() (delay.Delayer, error) { return delay.Compatible(&redeclared{}, delay.Classic())("mail", nil) },
		"no use for the option MaxLength": func() (delay.Delayer, error) { return delay.Compatible(&redeclared{}, delay.MaxLength(0))("mail", nil) },
		"no use for the option Unit": func() (delay.Delayer, error) {
			return delay.Compatible(&redeclared{}, delay.Unit(time.Second))("mail", nil)
		},
		"no use for the option Longest": func() (delay.Delayer, error) {
			return delay.Compatible(&redeclared{}, delay.Longest(time.Hour))("mail", nil)
		},
		"option 1 is nil":            func() (delay.Delayer, error) { return delay.Compatible(&redeclared{}, nil)("mail", nil) },
		"redeclarer of Compatible":   func() (delay.Delayer, error) { return delay.Compatible(nil)("mail", nil) },
		"the work queue has no name": func() (delay.Delayer, error) { return delay.Compatible(&redeclared{})("", nil) },
		"work queue has 256 bytes":   func() (delay.Delayer, error) { return delay.Compatible(&redeclared{})(strings.Repeat("x", 256), nil) },
		"no delay longer than 596h31m": func() (delay.Delayer, error) {
			return delay.Compatible(&redeclared{})("mail", []time.Duration{1, longest + 1})
		},
	} {
		_, err := make()
		require.ErrorContains(t, err, want)
	}
}

func TestCompatibleIsExactOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	t.Run("3.10", func(t *testing.T) {
		t.Parallel()
		// Python goes on counting from the x-death that is sent along.
		exact(t, func(delays int, _ time.Duration) int { return delays }, memory.Version(3, 10))
	})
	t.Run("4.3", func(t *testing.T) {
		t.Parallel()
		// The broker ignores it at the next death, and Python counts no more than the last delay.
		exact(t, func(delays int, last time.Duration) int {
			if last == 0 {
				return delays // it went through no queue
			}
			return 1
		}, memory.Version(4, 3))
	})
}

func exact(t *testing.T, counted func(delays int, last time.Duration) int, version memory.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(version, memory.OnDrop(func(d memory.Drop) { t.Errorf("lost: %+v", d) }))
		defer func() { _ = b.Close(t.Context()) }()
		work := broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}
		require.NoError(t, b.Declare(t.Context(), work))
		sub := subscribe(t, b, "mail")
		c, err := delay.Compatible(b)("mail", nil)
		require.NoError(t, err)
		h := processor.Headers{}
		for n, d := range []time.Duration{time.Millisecond, time.Hour, 1500 * time.Microsecond, 0, time.Hour, 24 * 24 * time.Hour} {
			start := time.Now()
			h[republish.HeaderBackoffs] = int64(n + 1)
			require.NoError(t, c.Delay(t.Context(), b.Publisher(), withHeaders(h), d))
			m, err := sub.Receive(context.Background())
			require.NoError(t, err)
			require.NoError(t, m.Ack())
			require.Equal(t, (d + time.Millisecond - 1).Truncate(time.Millisecond), time.Since(start))
			require.EqualValues(t, counted(n+1, d), c.Waits(m.Headers()))
			require.Zero(t, m.Properties().Expiration)
			h = m.Headers().Clone()
		}
	})
}

package broker_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// prepare prepares an envelope that has nothing but headers.
func prepare(h processor.Headers) (processor.Headers, error) {
	e, err := broker.Prepare(processor.Destination{RoutingKey: "q"}, processor.Envelope{Headers: h})
	return e.Headers, err
}

func TestPrepareNormalisesHeaders(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("east", 2*60*60)
	for name, test := range map[string]struct{ value, want any }{
		"nil":           {nil, nil},
		"bool":          {true, true},
		"int8":          {int8(-1), int8(-1)},
		"int16":         {int16(-1), int16(-1)},
		"int32":         {int32(-1), int32(-1)},
		"int64":         {int64(math.MinInt64), int64(math.MinInt64)},
		"int":           {-1, int32(-1)},
		"int, long":     {math.MinInt32 - 1, int64(math.MinInt32 - 1)},
		"uint8":         {uint8(255), uint8(255)},
		"uint16":        {uint16(math.MaxUint16), uint16(math.MaxUint16)},
		"uint32":        {uint32(math.MaxUint32), uint32(math.MaxUint32)},
		"uint":          {uint(1), int32(1)},
		"uint, long":    {uint(math.MaxUint32), int64(math.MaxUint32)},
		"uint64":        {uint64(math.MaxInt64), int64(math.MaxInt64)},
		"float32":       {float32(1.5), float32(1.5)},
		"float64":       {math.MaxFloat64, math.MaxFloat64},
		"string":        {"a", "a"},
		"string, empty": {"", ""},
		"bytes":         {[]byte("a"), []byte("a")},
		"bytes, nil":    {[]byte(nil), []byte{}},
		"decimal":       {processor.Decimal{Scale: 2, Value: 314}, processor.Decimal{Scale: 2, Value: 314}},
		"time, to whole seconds": {
			time.Date(2026, 1, 2, 3, 4, 5, 999, zone), time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC),
		},
		"list":          {[]any{1, uint16(2), nil, []any{"a"}}, []any{int32(1), uint16(2), nil, []any{"a"}}},
		"list, nil":     {[]any(nil), []any{}},
		"table":         {processor.Headers{"a": 1}, processor.Headers{"a": int32(1)}},
		"map":           {map[string]any{"a": map[string]any{"b": uint(2)}}, processor.Headers{"a": processor.Headers{"b": int32(2)}}},
		"map in a list": {[]any{map[string]any{"a": 1}}, []any{processor.Headers{"a": int32(1)}}},
		"table, nil":    {processor.Headers(nil), processor.Headers{}},
		"map, nil":      {map[string]any(nil), processor.Headers{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := prepare(processor.Headers{"h": test.value})
			require.NoError(t, err)
			require.Equal(t, processor.Headers{"h": test.want}, got)

			again, err := prepare(got)
			require.NoError(t, err)
			require.Equal(t, got, again, "preparing twice changes nothing more")
		})
	}
}

func TestPrepareRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	type named string
	for name, value := range map[string]any{
		"struct":         struct{ A int }{1},
		"pointer":        new(int),
		"strings":        []string{"a"},
		"ints":           []int{1},
		"array":          [1]any{1},
		"map of strings": map[string]string{"a": "b"},
		"chan":           make(chan int),
		"func":           func() {},
		"complex":        complex(1, 2),
		"error":          processor.ErrStop,
		"duration":       time.Second,
		"named string":   named("a"),
		"uint64 too big": uint64(math.MaxInt64) + 1,
		"uint too big":   uint(math.MaxUint),
		// RabbitMQ closes the whole connection over these.
		"infinity":             math.Inf(1),
		"less than that":       math.Inf(-1),
		"NaN":                  math.NaN(),
		"a float32's infinity": float32(math.Inf(1)),
		"a float32's NaN":      float32(math.NaN()),
	} {
		for place, h := range map[string]processor.Headers{
			"at the top":                {"fine": 1, "culprit": value},
			"in a list":                 {"culprit": []any{"fine", value}},
			"in a table":                {"culprit": processor.Headers{"inner": value}},
			"in a map in a list":        {"culprit": []any{map[string]any{"inner": value}}},
			"in a list in a list":       {"culprit": []any{[]any{value}}},
			"in x-death, of all places": {"x-death": []any{processor.Headers{"culprit": value}}},
		} {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				_, err := prepare(h)
				require.ErrorIs(t, err, processor.ErrHeaderType)
				require.ErrorContains(t, err, "culprit")
			})
		}
	}
}

func TestPrepareBoundsEachShortString(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(s string, to *processor.Destination, e *processor.Envelope){
		"exchange":         func(s string, to *processor.Destination, _ *processor.Envelope) { to.Exchange = s },
		"routing key":      func(s string, to *processor.Destination, _ *processor.Envelope) { to.RoutingKey = s },
		"message id":       func(s string, _ *processor.Destination, e *processor.Envelope) { e.ID = s },
		"correlation id":   func(s string, _ *processor.Destination, e *processor.Envelope) { e.CorrelationID = s },
		"reply-to":         func(s string, _ *processor.Destination, e *processor.Envelope) { e.ReplyTo = s },
		"type":             func(s string, _ *processor.Destination, e *processor.Envelope) { e.Type = s },
		"app id":           func(s string, _ *processor.Destination, e *processor.Envelope) { e.AppID = s },
		"user id":          func(s string, _ *processor.Destination, e *processor.Envelope) { e.UserID = s },
		"content type":     func(s string, _ *processor.Destination, e *processor.Envelope) { e.ContentType = s },
		"content encoding": func(s string, _ *processor.Destination, e *processor.Envelope) { e.ContentEncoding = s },
		"header's name": func(s string, _ *processor.Destination, e *processor.Envelope) {
			e.Headers = processor.Headers{s: true}
		},
		"header's name, nested": func(s string, _ *processor.Destination, e *processor.Envelope) {
			e.Headers = processor.Headers{"list": []any{processor.Headers{s: true}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try := func(s string) error {
				var to processor.Destination
				var e processor.Envelope
				set(s, &to, &e)
				_, err := broker.Prepare(to, e)
				return err
			}
			require.NoError(t, try(fits))
			// 128 letters of two bytes: it is bytes that count.
			for _, s := range []string{long, strings.Repeat("é", 128)} {
				err := try(s)
				require.ErrorIs(t, err, processor.ErrTooLarge)
				what, _, _ := strings.Cut(name, ",")
				require.ErrorContains(t, err, what+" has 256 bytes")
			}
		})
	}
}

func TestPrepareRefusesANegativeExpiration(t *testing.T) {
	t.Parallel()
	for expiration, ok := range map[time.Duration]bool{0: true, 1: true, time.Hour: true, -1: false} {
		var e processor.Envelope
		e.Expiration = expiration
		_, err := broker.Prepare(processor.Destination{}, e)
		require.Equal(t, ok, err == nil, expiration)
	}
}

func TestPrepareBoundsTheBytesOfHeaders(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n) }
	for name, test := range map[string]struct {
		headers processor.Headers
		ok      bool
	}{
		// A frame of 131,072 without 23 for the frame and the delivery mode, 4 for the table,
		// 1+1 for the name, 5 for a string's type and length.
		"one string that just fits":   {processor.Headers{"h": text(131_072 - 23 - 11)}, true},
		"one string, a byte too long": {processor.Headers{"h": text(131_072 - 23 - 10)}, false},
		"bytes":                       {processor.Headers{"h": []byte(text(131_072))}, false},
		"a list of strings":           {processor.Headers{"h": []any{text(65_536), text(65_536)}}, false},
		"a nested table":              {processor.Headers{"h": processor.Headers{"a": text(65_536), "b": text(65_536)}}, false},
		"several headers":             {processor.Headers{"a": text(65_536), "b": text(65_536)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(test.headers)
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, processor.ErrTooLarge)
		})
	}
}

func TestPrepareBoundsTheEntries(t *testing.T) {
	t.Parallel()
	table := func(n int) processor.Headers {
		h := processor.Headers{}
		for i := range n {
			h[strconv.Itoa(i)] = nil
		}
		return h
	}
	for name, h := range map[string]func(n int) processor.Headers{
		"headers": table,
		"a table": func(n int) processor.Headers { return processor.Headers{"h": table(n)} },
		"a map":   func(n int) processor.Headers { return processor.Headers{"h": []any{map[string]any(table(n))}} },
		"a list":  func(n int) processor.Headers { return processor.Headers{"h": make([]any, n)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(h(8192))
			require.NoError(t, err)
			_, err = prepare(h(8193))
			require.ErrorIs(t, err, processor.ErrTooLarge)
			require.ErrorContains(t, err, "8193 entries")
		})
	}
}

func TestPrepareBoundsTheBody(t *testing.T) {
	t.Parallel()
	body := make([]byte, 512<<20+1)
	_, err := broker.Prepare(processor.Destination{}, processor.Envelope{Body: body})
	require.ErrorIs(t, err, processor.ErrTooLarge)
	_, err = broker.Prepare(processor.Destination{}, processor.Envelope{Body: body[1:]})
	require.NoError(t, err)
}

// nest returns a value in levels tables, or lists, or the one in the other in turn.
func nest(levels int, inside func(v any, level int) any) any {
	var v any = "core"
	for level := range levels {
		v = inside(v, level)
	}
	return v
}

func TestPrepareBoundsTheNesting(t *testing.T) {
	t.Parallel()
	table := func(v any, _ int) any { return processor.Headers{"in": v} }
	plain := func(v any, _ int) any { return map[string]any{"in": v} }
	list := func(v any, _ int) any { return []any{v} }
	mixed := func(v any, level int) any {
		if level%2 == 0 {
			return list(v, level)
		}
		return table(v, level)
	}
	for name, inside := range map[string]func(any, int) any{"tables": table, "maps": plain, "lists": list, "in turn": mixed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(processor.Headers{"h": nest(32, inside), "i": nest(32, inside)})
			require.NoError(t, err)
			for _, levels := range []int{33, 1_000_000} {
				_, err = prepare(processor.Headers{"h": nest(levels, inside)})
				require.ErrorIs(t, err, processor.ErrTooLarge)
				require.ErrorContains(t, err, "32 levels")
				require.Less(t, len(err.Error()), 1000)
			}
		})
	}

	t.Run("a table that holds itself", func(t *testing.T) {
		t.Parallel()
		h := processor.Headers{}
		h["self"], h["me"] = h, map[string]any(h)
		_, err := prepare(h)
		require.ErrorIs(t, err, processor.ErrTooLarge)
	})

	t.Run("a list that holds itself", func(t *testing.T) {
		t.Parallel()
		l := make([]any, 1)
		l[0] = l
		_, err := prepare(processor.Headers{"h": l})
		require.ErrorIs(t, err, processor.ErrTooLarge)
	})
}

func TestPrepareRefusesAMalformedDeath(t *testing.T) {
	t.Parallel()
	entry := processor.Headers{"queue": "q", "reason": "expired", "count": int64(1)}
	for name, test := range map[string]struct {
		death any
		ok    bool
	}{
		"as RabbitMQ writes it": {[]any{entry, entry}, true},
		"a map":                 {[]any{map[string]any(entry)}, true},
		"no entry":              {[]any{}, true},
		"nil":                   {nil, false},
		"a string":              {"expired", false},
		"a number":              {int64(1_000_000), false},
		"a table":               {entry, false},
		"a string first":        {[]any{"expired", entry}, false},
		"a string last":         {[]any{entry, "expired"}, false},
		"a nil entry":           {[]any{nil}, false},
		"a list in the list":    {[]any{[]any{entry}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(processor.Headers{"x-death": test.death})
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, processor.ErrHeaderType)
			require.ErrorContains(t, err, "x-death")
		})
	}
}

// full returns headers with something to alias at each level.
func full() processor.Headers {
	return processor.Headers{
		"bytes": []byte("abc"),
		"list":  []any{[]byte("abc"), processor.Headers{"a": "b"}, []any{"c"}},
		"table": processor.Headers{"bytes": []byte("abc"), "list": []any{"d"}, "table": processor.Headers{"e": "f"}},
	}
}

// spoil writes to everything in v that can be written to.
func spoil(v any) {
	switch v := v.(type) {
	case []byte:
		clear(v)
	case []any:
		for i := range v {
			spoil(v[i])
			v[i] = "spoilt"
		}
	case processor.Headers:
		for name := range v {
			spoil(v[name])
			v[name] = "spoilt"
		}
		v["more"] = "spoilt"
	}
}

func TestPrepareSharesNoHeaders(t *testing.T) {
	t.Parallel()

	t.Run("changing the result leaves the caller's", func(t *testing.T) {
		t.Parallel()
		h := full()
		got, err := prepare(h)
		require.NoError(t, err)
		spoil(got)
		require.Equal(t, full(), h)
	})

	t.Run("changing the caller's leaves the result", func(t *testing.T) {
		t.Parallel()
		h := full()
		got, err := prepare(h)
		require.NoError(t, err)
		spoil(h)
		require.Equal(t, full(), got)
	})
}

func TestPrepareKeepsTheRest(t *testing.T) {
	t.Parallel()
	e := processor.Envelope{Body: []byte("body"), Properties: processor.Properties{
		ID: "id", CorrelationID: "c", ReplyTo: "r", Type: "t", AppID: "a", UserID: "u", ContentType: "text/plain",
		ContentEncoding: "gzip", Expiration: 1500 * time.Microsecond, Timestamp: time.Unix(1, 5), Priority: 9, Transient: true,
	}}
	got, err := broker.Prepare(processor.Destination{}, e)
	require.NoError(t, err)
	require.Equal(t, e, got)
	require.Nil(t, got.Headers, "no headers stay no headers")

	e.Headers = processor.Headers{}
	got, err = broker.Prepare(processor.Destination{}, e)
	require.NoError(t, err)
	require.NotNil(t, got.Headers)
	require.Empty(t, got.Headers)
}

// Asking for it would close the connection.
func TestAnExchangeThatIsNotUTF8IsUnroutable(t *testing.T) {
	t.Parallel()
	_, err := broker.Prepare(processor.Destination{Exchange: "a\xffb"}, processor.Envelope{})
	require.ErrorIs(t, err, processor.ErrUnroutable)
	_, err = broker.Prepare(processor.Destination{RoutingKey: "a\xffb"}, processor.Envelope{})
	require.NoError(t, err)
}

package record_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/record"
	"github.com/gowarren/warren/processor"
)

var everything = processor.Envelope{
	Headers: processor.Headers{
		"nil": nil, "true": true, "int8": int8(-1), "int16": int16(-300), "int32": int32(math.MinInt32), "int64": int64(math.MinInt64),
		"uint8": uint8(255), "uint16": uint16(65535), "uint32": uint32(math.MaxUint32), "float32": float32(0.1), "float64": math.Inf(-1), "text": "a\x00ü", "bytes": []byte{0, 255}, "no bytes": []byte{},
		"no UTF-8": "\xff", "\xfe": "a name that is no UTF-8", "": "no name",
		"decimal": processor.Decimal{Scale: 2, Value: -314}, "time": time.Unix(-1, 0).UTC(),
		"list":  []any{int64(1), "1", []any{}, processor.Headers{"x": nil}},
		"table": processor.Headers{"deep": processor.Headers{"deeper": []any{nil}}},
	},
	Properties: processor.Properties{
		ID: "<1@x>", CorrelationID: "c\x00", ReplyTo: "amq.\xff", Type: "t", AppID: "a", UserID: "u", ContentType: "text/plain",
		ContentEncoding: "gzip", Expiration: time.Nanosecond, Timestamp: time.Unix(1, 0).UTC(), Priority: 255, Transient: true,
	},
}

func roundTrip(t *testing.T, to processor.Destination, e processor.Envelope) (processor.Destination, processor.Envelope) {
	t.Helper()
	written, err := record.Write(to, e)
	require.NoError(t, err)
	to, e, err = record.Read(written)
	require.NoError(t, err)
	return to, e
}

func TestEachTypeSurvives(t *testing.T) {
	t.Parallel()
	to := processor.Destination{Exchange: "e\xff", RoutingKey: "k\x00ü"}
	gotTo, got := roundTrip(t, to, everything)
	require.Equal(t, to, gotTo)
	require.Equal(t, everything, got)

	gotTo, got = roundTrip(t, processor.Destination{}, processor.Envelope{})
	require.Zero(t, gotTo)
	require.Zero(t, got)
}

// A publisher does the same to these.
func TestTypesThatNoBrokerHasBecomeThoseOfAPublisher(t *testing.T) {
	t.Parallel()
	h := processor.Headers{
		"int": -1, "wide": math.MinInt64, "uint": uint(1), "wide uint": uint(math.MaxInt64), "uint64": uint64(1), "map": map[string]any{"x": 1},
	}
	_, got := roundTrip(t, processor.Destination{}, processor.Envelope{Headers: h})
	prepared, err := broker.Prepare(processor.Destination{}, processor.Envelope{Headers: h})
	require.NoError(t, err)
	require.Equal(t, prepared.Headers, got.Headers)
}

func TestWhatNoBrokerTakesIsRefused(t *testing.T) {
	t.Parallel()
	loop := []any{nil}
	loop[0] = loop
	for name, v := range map[string]any{"struct": struct{}{}, "uint64": uint64(math.MaxUint64), "loop": loop, "list": []any{complex(1, 1)}} {
		_, err := record.Write(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"x": v}})
		require.ErrorIs(t, err, processor.ErrHeaderType, name)
	}
	long := string(make([]byte, 256))
	for name, e := range map[string]processor.Envelope{
		"name":     {Headers: processor.Headers{"x": processor.Headers{long: 1}}},
		"property": {Properties: processor.Properties{Type: long}},
	} {
		_, err := record.Write(processor.Destination{}, e)
		require.ErrorIs(t, err, processor.ErrTooLarge, name)
	}
	_, err := record.Write(processor.Destination{RoutingKey: long}, processor.Envelope{})
	require.ErrorIs(t, err, processor.ErrTooLarge)
}

func TestAsDeepAsItIsWrittenItIsRead(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		return `{"headers":{"table":[["x",` + strings.Repeat(`{"list":[`, depth-1) + "null" + strings.Repeat("]}", depth-1) + "]]}}"
	}
	to, e, err := record.Read(nested(100))
	require.NoError(t, err)
	written, err := record.Write(to, e)
	require.NoError(t, err)
	require.Equal(t, nested(100), written)
	_, _, err = record.Read(nested(101))
	require.ErrorContains(t, err, "nested more than 100 deep")
}

// Whoever writes a file for readfiles decides what is in it.
func TestAHostileRecordIsReadAtOnce(t *testing.T) {
	t.Parallel()
	for name, depth := range map[string]int{"refused": 2400, "read": 99} {
		open, end := strings.Repeat(`{"list":[`, depth), strings.Repeat("]}", depth)
		filler := strings.Repeat("0,", 1<<19)
		if name == "read" {
			filler = strings.Repeat("null,", 1<<20/5)
		}
		start := time.Now()
		_, _, err := record.Read(`{"headers":{"table":[["x",` + open + filler + "null" + end + "]]}}")
		require.Equal(t, name == "read", err == nil, name)
		require.Less(t, time.Since(start), 5*time.Second, name) // 0.1 s, and a minute if each level is parsed again
	}
}

func TestWhatIsNoRecordIsAnError(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{
		"", "[]", `{} {}`, `{"id":1}`, `{"priority":256}`, `{"priority":"1"}`, `{"transient":1}`, `{"expiration":1.5}`, `{"timestamp":"x"}`,
		`{"headers":1}`, `{"headers":{"list":[]}}`, `{"headers":{"table":{}}}`, `{"headers":{"table":[1]}}`, `{"headers":{"table":[["x"]]}}`,
		`{"headers":{"table":[[1,1]]}}`, `{"headers":{"table":[["x",1]]}}`, `{"headers":{"table":[["x",{}]]}}`, `{"headers":{"table":[["x",{"int8":128}]]}}`,
		`{"headers":{"table":[["x",{"int9":1}]]}}`, `{"headers":{"table":[["x",{"list":{}}]]}}`, `{"headers":{"table":[["x",{"decimal":[1]}]]}}`,
		`{"headers":{"table":[["x",{"bytes":1}]]}}`, `{"headers":{"table":[["x",{"bytes":"*"}]]}}`, `{"headers":{"table":[["x",{"float32":1}]]}}`,
		`{"headers":{"table":[["x",{"uint8":-1}]]}}`, `{"headers":{"table":[["x",{"int64":null}]]}}`,
	} {
		_, _, err := record.Read(wrong)
		require.Error(t, err, wrong)
	}
}

func FuzzRead(f *testing.F) {
	written, err := record.Write(processor.Destination{RoutingKey: "k"}, everything)
	require.NoError(f, err)
	f.Add(written)
	f.Add(`{"headers":{"table":[["a",{"list":[{"decimal":[1,2]}]}]]},"priority":1}`)
	f.Fuzz(func(t *testing.T, written string) {
		to, e, err := record.Read(written)
		if err != nil {
			return
		}
		again, err := record.Write(to, e)
		if err != nil {
			return // too long or too deep
		}
		gotTo, got, err := record.Read(again)
		require.NoError(t, err)
		require.Equal(t, to, gotTo)
		requireSame(t, e, got)
	})
}

func FuzzWrite(f *testing.F) {
	f.Add("k", "id", "name", "text", []byte("bytes"), int64(1), uint8(2), 1.5, true)
	f.Fuzz(func(t *testing.T, k, id, name, text string, b []byte, n int64, u uint8, x float64, yes bool) {
		to := processor.Destination{Exchange: text, RoutingKey: k}
		e := processor.Envelope{
			Headers: processor.Headers{
				name: []any{text, b, n, int32(n), int16(n), int8(n), u, x, float32(x), yes, nil},
				text: processor.Headers{name: processor.Decimal{Scale: u, Value: int32(n)}},
			},
			Properties: processor.Properties{ID: id, Type: name, Priority: u, Transient: yes, Expiration: time.Duration(n)},
		}
		written, err := record.Write(to, e)
		if err != nil {
			require.ErrorIs(t, err, processor.ErrTooLarge)
			return
		}
		gotTo, got, err := record.Read(written)
		require.NoError(t, err)
		require.Equal(t, to, gotTo)
		requireSame(t, e, got)
	})
}

// requireSame compares with NaN equal to itself.
func requireSame(t *testing.T, want, got processor.Envelope) {
	t.Helper()
	if !reflect.DeepEqual(bits(want.Headers), bits(got.Headers)) {
		t.Fatalf("%#v is not %#v", got.Headers, want.Headers)
	}
	require.Equal(t, want.Properties, got.Properties)
}

func bits(v any) any {
	switch v := v.(type) {
	case float32:
		return math.Float32bits(v)
	case float64:
		return math.Float64bits(v)
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, bits(item))
		}
		return list
	case processor.Headers:
		table := map[string]any{}
		for name, value := range v {
			table[name] = bits(value)
		}
		return table
	case []byte:
		return [1]string{string(v)} // no text
	}
	return v
}

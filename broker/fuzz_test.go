package broker_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor"
)

// FuzzPrepare gives Prepare whatever JSON can shape, and the raw bytes. Prepare
// must not panic, must say why it refuses, and must accept its own result.
func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"a":1,"b":[null,true,"c",1.5]}`, `{"a":{"b":{"c":{}}}}`, `{"x-death":"expired"}`,
		`{"x-death":[{"queue":"q","count":1}]}`, `{"x-death":[[]]}`, `{"":""}`, "{\"\xff\":\"\\u0000\"}",
		`[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]`,
	} {
		f.Add("key", []byte(seed), int64(1), uint64(1))
	}
	f.Add(long, []byte(`{}`), int64(-1), uint64(1<<63))

	f.Fuzz(func(t *testing.T, text string, data []byte, signed int64, unsigned uint64) {
		var decoded any
		_ = json.Unmarshal(data, &decoded) // what does not decode stays nil
		for _, h := range []processor.Headers{
			asHeaders(decoded),
			{text: decoded, "bytes": data, "signed": int(signed), "time": time.Unix(signed, signed)},
			{"list": []any{decoded, data, unsigned}, "x-death": decoded},
		} {
			checkPrepared(t, processor.Destination{RoutingKey: text}, processor.Envelope{Body: data, Headers: h})
		}
	})
}

func asHeaders(v any) processor.Headers {
	h, _ := v.(map[string]any)
	return h
}

func checkPrepared(t *testing.T, to processor.Destination, e processor.Envelope) {
	t.Helper()
	got, err := broker.Prepare(to, e)
	if err != nil {
		require.True(t, errors.Is(err, processor.ErrTooLarge) || errors.Is(err, processor.ErrHeaderType), "%v", err)
		return
	}
	require.Equal(t, e.Headers == nil, got.Headers == nil)
	require.Len(t, got.Headers, len(e.Headers))
	again, err := broker.Prepare(to, got)
	require.NoError(t, err)
	require.Equal(t, got, again)
}

// FuzzLoops makes a topology of the bytes: each three are a queue, an exchange or a binding.
// Whatever is listed, walking it ends, and each loop leads from queue to queue by dead letters.
func FuzzLoops(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 2, 1})
	f.Add([]byte{0, 1, 0, 1, 0, 1, 1, 1, 0, 2, 0, 1, 2, 1, 1, 0, 0, 7})
	f.Fuzz(func(t *testing.T, data []byte) {
		var topology broker.Topology
		kinds := []broker.Kind{broker.Direct, broker.Topic, broker.Fanout, broker.HeadersKind}
		name := func(b byte) string { return []string{"", "a", "b", "c", "#", "*.a", "amq.topic"}[b%7] }
		for ; len(data) >= 3 && len(topology.Bindings) < 50; data = data[3:] {
			switch x, y := data[1], data[2]; data[0] % 3 {
			case 0:
				q := broker.Queue{Name: name(x), MessageTTL: time.Duration(y>>6) * time.Second, DeadLetter: &broker.DeadLetter{Exchange: name(y), RoutingKey: name(y >> 3)}}
				if y > 128 {
					q.Type = broker.Quorum
				}
				topology.Queues = append(topology.Queues, q)
			case 1:
				topology.Exchanges = append(topology.Exchanges, broker.Exchange{Name: name(x), Kind: kinds[y%4], Alternate: name(y >> 2)})
			case 2:
				topology.Bindings = append(topology.Bindings, broker.Binding{Exchange: name(x), Queue: name(y), RoutingKey: name(y >> 3)})
			}
		}
		for _, l := range topology.Loops() {
			require.NotEmpty(t, l.Queues)
			require.Len(t, l.Reasons, len(l.Queues))
			require.NotContains(t, l.Reasons, "")
		}
		_ = plan.Of(topology).String()
	})
}

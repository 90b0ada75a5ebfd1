package broker_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// FuzzPrepare gives Prepare whatever JSON can shape and the raw bytes beside it. It
// must not panic, must say why it refuses, and must be content with its own result.
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

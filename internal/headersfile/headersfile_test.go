package headersfile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

var (
	to = processor.Destination{Exchange: "shop", RoutingKey: "bill"}
	e  = processor.Envelope{
		Body: []byte("body"), Headers: processor.Headers{"n": int32(3), "\xff": []any{nil}},
		Properties: processor.Properties{ID: "1", Timestamp: time.Unix(1, 0).UTC()},
	}
)

func TestNamesOfHeadersFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.headers.json": true, ".headers.json": true, "a.HEADERS.Json": true, "headers.json": false, "a.headers.json.txt": false, "": false,
	} {
		require.Equal(t, want, headersfile.Is(name), name)
	}
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	written := must.Have(headersfile.Write(to, e))
	gotTo, got, err := headersfile.Read(written, e.Body)
	require.NoError(t, err)
	require.Equal(t, to, gotTo)
	require.Equal(t, e, got)
	require.True(t, headersfile.Names(written, e.Body))

	_, _, err = headersfile.Read(written, []byte("bodY"))
	require.ErrorContains(t, err, "belongs to another body: one of 4 bytes")
	require.False(t, headersfile.Names(written, []byte("bodY")))
	_, err = headersfile.Write(to, processor.Envelope{Headers: processor.Headers{"x": struct{}{}}})
	require.ErrorIs(t, err, processor.ErrHeaderType)
}

// The headers of a message have 128 KiB at most, and these become the longest text.
func TestNoFileIsLargerThanIsRead(t *testing.T) {
	t.Parallel()
	var deep any = slices.Repeat([]any{int8(-128)}, 128<<10/2)
	for range 90 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"text": strings.Repeat("\x00", 128<<10), "integers": slices.Repeat([]any{int8(-128)}, 128<<10/2), "nil": slices.Repeat([]any{nil}, 128<<10), "deep": deep,
		"lists": slices.Repeat([]any{[]any{}}, 128<<10/5), "bytes": make([]byte, 128<<10),
	} {
		e := processor.Envelope{Headers: processor.Headers{"x": v}}
		written := must.Have(headersfile.Write(to, e))
		require.LessOrEqual(t, len(written), headersfile.MaxSize, name)
		_, got, err := headersfile.Read(written, nil)
		require.NoError(t, err)
		require.Equal(t, e.Headers, got.Headers, name)
	}
}

func TestAFileWrittenByHand(t *testing.T) {
	t.Parallel()
	byHand := []byte(`{"warren": 1, "message": {"id": "1", "type": "bill", "headers": {"table": [["shop", "Berlin"], ["items", {"int32": 3}]]}}}`)
	_, got, err := headersfile.Read(byHand, []byte("any"))
	require.NoError(t, err)
	require.Equal(t, processor.Envelope{
		Body: []byte("any"), Headers: processor.Headers{"shop": "Berlin", "items": int32(3)}, Properties: processor.Properties{ID: "1", Type: "bill"},
	}, got)
	require.False(t, headersfile.Names(byHand, []byte("any")), "it may belong to another")
	for _, wrong := range []string{"", "null", "1", "[]", `{"warren": 1}`, `{"warren": 0, "message": {}}`, `{"warren": 1, "message": []}`} {
		_, _, err := headersfile.Read([]byte(wrong), nil)
		require.Error(t, err, wrong)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	first := must.Have(headersfile.Identity(to, e))
	again := e
	again.Headers = e.Headers.Clone()
	again.Headers["x-delivery-count"], again.Headers["x-acquired-count"] = int64(1), int64(2)
	require.Equal(t, first, must.Have(headersfile.Identity(to, again)), "a redelivery")
	none := processor.Envelope{Properties: processor.Properties{ID: "1"}}
	redelivered := none
	redelivered.Headers = processor.Headers{"x-delivery-count": int64(1)}
	require.Equal(t, must.Have(headersfile.Identity(to, none)), must.Have(headersfile.Identity(to, redelivered)))

	others := map[string]func(*processor.Destination, *processor.Envelope){
		"body":     func(_ *processor.Destination, e *processor.Envelope) { e.Body = []byte("other") },
		"header":   func(_ *processor.Destination, e *processor.Envelope) { e.Headers = processor.Headers{"n": int64(3)} },
		"id":       func(_ *processor.Destination, e *processor.Envelope) { e.ID = "2" },
		"property": func(_ *processor.Destination, e *processor.Envelope) { e.Timestamp = time.Unix(2, 0) },
		"key":      func(to *processor.Destination, _ *processor.Envelope) { to.RoutingKey = "x" },
		"exchange": func(to *processor.Destination, _ *processor.Envelope) { to.Exchange = "x" },
	}
	for name, change := range others {
		otherTo, other := to, e
		change(&otherTo, &other)
		require.NotEqual(t, first, must.Have(headersfile.Identity(otherTo, other)), name)
	}
	_, err := headersfile.Identity(to, processor.Envelope{Body: []byte("body")})
	require.ErrorIs(t, err, headersfile.ErrNoIdentity)
}

func FuzzRead(f *testing.F) {
	f.Add(string(must.Have(headersfile.Write(to, e))), "body")
	f.Add(`{"warren": 1, "message": {"id": "1"}}`, "")
	f.Fuzz(func(t *testing.T, written, body string) {
		gotTo, got, err := headersfile.Read([]byte(written), []byte(body))
		if err != nil {
			return
		}
		again, err := headersfile.Write(gotTo, got)
		if err != nil {
			return // too long or too deep for a broker
		}
		_, second, err := headersfile.Read(again, []byte(body))
		require.NoError(t, err)
		require.Equal(t, got.Properties, second.Properties)
	})
}

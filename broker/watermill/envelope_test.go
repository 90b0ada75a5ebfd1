package watermill_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// onWire returns e as Watermill receives it.
func onWire(tb testing.TB, e processor.Envelope) *message.Message {
	tb.Helper()
	var p published
	require.NoError(tb, must.Have(watermill.NewPublisher(&p)).Publish(tb.Context(), processor.Destination{RoutingKey: "mail"}, e))
	require.Len(tb, p.messages, 1)
	return p.messages[0]
}

// read returns msg as a stack receives it.
func read(tb testing.TB, msg *message.Message) processor.Envelope {
	tb.Helper()
	var e processor.Envelope
	handle, err := watermill.Handler(processor.ProcessorFunc(func(_ context.Context, m processor.Message) error {
		e = processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()}
		return nil
	}), watermill.Discard(nil))
	require.NoError(tb, err)
	require.NoError(tb, handle(msg))
	return e
}

func TestAMessageSurvivesMetadata(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	all := h{
		"nil": nil, "true": true, "int8": int8(-8), "int16": int16(-16), "int32": int32(math.MinInt32), "int64": int64(math.MinInt64),
		"uint8": uint8(255), "float32": float32(1.1), "float64": 1e300, "inf": math.Inf(1),
		"text": "grüße", "no text": "", "no UTF-8": "\xff\xfe", "bytes": []byte{0, 255}, "decimal": processor.Decimal{Scale: 255, Value: -12345},
		"time": time.Unix(1_700_000_000, 0).UTC(), "year 20000": time.Unix(600_000_000_000, 0).UTC(),
		"list": []any{nil, int8(1), "s", "\xff", []any{h{"k": []byte("b")}}}, "table": h{"deep": h{"deeper": int16(1)}},
		"no list": []any{}, "no table": h{},
		// Names with another meaning in metadata.
		"correlation_id": "a header", "_warren": int32(7),
	}
	sent := processor.Envelope{Body: []byte("hello"), Headers: all, Properties: processor.Properties{
		ID: "id", CorrelationID: "correlation", ReplyTo: "reply", Type: "type", AppID: "app", UserID: "user",
		ContentType: "text/plain", ContentEncoding: "gzip", Expiration: time.Minute, Timestamp: time.Unix(1_700_000_000, 0),
		Priority: 9, Transient: true,
	}}
	got := read(t, throughJSON(t, onWire(t, sent)))
	require.Equal(t, sent, got)
	require.Equal(t, processor.Envelope{}, read(t, onWire(t, processor.Envelope{})), "what is absent stays so")
}

// throughJSON changes a message as brokers without binary headers do.
func throughJSON(tb testing.TB, msg *message.Message) *message.Message {
	tb.Helper()
	b, err := json.Marshal(msg.Metadata)
	require.NoError(tb, err)
	again := message.NewMessage(msg.UUID, msg.Payload)
	require.NoError(tb, json.Unmarshal(b, &again.Metadata))
	return again
}

// throughHTTP changes a message as NATS does, whose headers are those of HTTP.
func throughHTTP(tb testing.TB, msg *message.Message) *message.Message {
	tb.Helper()
	header := http.Header{}
	for name, text := range msg.Metadata {
		header[name] = []string{text}
	}
	var wire strings.Builder
	require.NoError(tb, header.Write(&wire))
	again := message.NewMessage(msg.UUID, msg.Payload)
	for line := range strings.SplitSeq(strings.TrimSuffix(wire.String(), "\r\n"), "\r\n") {
		name, text, found := strings.Cut(line, ": ")
		require.True(tb, found, line)
		again.Metadata[name] = text
	}
	return again
}

func TestHeadersSurviveABrokerWhoseMetadataAreHTTP(t *testing.T) {
	t.Parallel()
	headers := processor.Headers{
		"lines": "one\ntwo\r\nthree", "space": " around\t", "no text": int16(1), "a:b": "colon", "größe": int64(7), "": "no name",
		"Case": "upper", "case": "lower", "int": int8(3), "list": []any{"a\nb", "\xff"}, "tab": "a\tb", "!#$%&'*+-.^_`|~09azAZ": "token",
	}
	msg := onWire(t, processor.Envelope{Headers: headers, Properties: processor.Properties{Type: "a\nb"}})
	require.Equal(t, "one\ntwo\r\nthree", msg.Metadata["lines"], "where metadata is what it should be, it is seen as before")
	got := read(t, throughHTTP(t, msg))
	require.Equal(t, headers, got.Headers)
	require.Equal(t, "a\nb", got.Type)
}

func TestWhatWasChangedAmongThemCounts(t *testing.T) {
	t.Parallel()
	msg := onWire(t, processor.Envelope{Headers: processor.Headers{"lines": "one\ntwo", "gone": "one\ntwo", "with space": "a", "stays": "x"}})
	msg.Metadata["lines"] = "three"
	msg.Metadata["with space"] = "b"
	delete(msg.Metadata, "gone")
	require.Equal(t, processor.Headers{"lines": "three", "with space": "b", "stays": "x"}, read(t, msg).Headers)
}

func TestWatermillReadsHeadersAsText(t *testing.T) {
	t.Parallel()
	msg := onWire(t, processor.Envelope{
		Body:       []byte("hello"),
		Headers:    processor.Headers{"tenant": "acme", "swarrot_retry_attempts": int64(2), "vip": true, "at": time.Unix(0, 0)},
		Properties: processor.Properties{ID: "0815", CorrelationID: "4711"},
	})
	require.Equal(t, "0815", msg.UUID)
	require.Equal(t, "hello", string(msg.Payload))
	delete(msg.Metadata, "_warren")
	require.Equal(t, message.Metadata{
		"tenant": "acme", "swarrot_retry_attempts": "2", "vip": "true", "at": "1970-01-01T00:00:00Z", "correlation_id": "4711",
	}, msg.Metadata)
}

func TestMetadataOfOthersIsText(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("id", []byte("hello"))
	msg.Metadata = message.Metadata{"n": "7", "correlation_id": "4711"}
	require.Equal(t, processor.Envelope{
		Body: []byte("hello"), Headers: processor.Headers{"n": "7"},
		Properties: processor.Properties{ID: "id", CorrelationID: "4711"},
	}, read(t, msg))
	require.Equal(t, processor.Envelope{}, read(t, &message.Message{}), "a message without anything")
}

func TestAForgedEntryMakesTextOfHeaders(t *testing.T) {
	t.Parallel()
	for name, forged := range map[string]string{
		"no JSON":            "{",
		"another type":       `[]`,
		"kinds of no kind":   `{"kinds":{"n":"uint64"}}`,
		"not of that kind":   `{"kinds":{"n":"bool"}}`,
		"out of range":       `{"kinds":{"n":"int8"}}`,
		"no list":            `{"kinds":{"n":"list"}}`,
		"no table":           `{"kinds":{"n":"table"}}`,
		"a priority of 256":  `{"priority":256,"kinds":{"n":"int64"}}`,
		"nested too deep":    strings.Repeat("[", 100_000),
		"too long":           `{"kinds":{"n":"int64"},"type":"` + strings.Repeat("x", 1<<20) + `"}`,
		"a name of ours":     `{"headers":{"n":["int64","8"]}}`,
		"a header, not ours": `{"headers":{"_warren":["int64"]}}`,
		"a list as a table":  `{"headers":{"_warren":["table",[]]}}`,
		"a table as a list":  `{"headers":{"_warren":["list",{}]}}`,
		"text as a list":     `{"headers":{"_warren":["list","[]"]}}`,
		"no header":          `{"headers":{"_warren":"int64"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			msg := message.NewMessage("", nil)
			msg.Metadata = message.Metadata{"n": "1000", "_warren": forged}
			require.Equal(t, processor.Envelope{Headers: processor.Headers{"n": "1000"}, Body: nil}, read(t, msg))
		})
	}
}

func TestForgedTimesAreClamped(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("", nil)
	for forged, want := range map[string]time.Duration{
		`{"expirationMs":-1}`: 0, `{"expirationMs":9223372036854775807}`: math.MaxInt64,
	} {
		msg.Metadata.Set("_warren", forged)
		require.Equal(t, want.Truncate(time.Millisecond), read(t, msg).Expiration)
	}
}

// Whatever a sender writes can be read, and what was read survives publishing.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"kinds":{"n":"list"},"headers":{"_warren":["table",{"k":["raw","/w=="]}]},"timestamp":1}`, `[["int8","1"],["list",[]]]`)
	f.Add(`{"kinds":{"n":"decimal"},"priority":9}`, "-1e-2")
	f.Add(`{"kinds":{"n":"time"}}`, "9999-12-31T23:59:59-23:00")
	f.Add(`{"kinds":{"n":"unix"}}`, "-9223372036854775808")
	f.Fuzz(func(t *testing.T, forged, text string) {
		msg := message.NewMessage("", nil)
		msg.Metadata = message.Metadata{"n": text, "_warren": forged}
		e := read(t, msg)
		require.Contains(t, e.Headers, "n")
		var p published
		if must.Have(watermill.NewPublisher(&p)).Publish(t.Context(), processor.Destination{RoutingKey: "q"}, e) != nil {
			return // too large
		}
		again := read(t, throughJSON(t, p.messages[0]))
		require.ElementsMatch(t, keys(e.Headers), keys(again.Headers))
	})
}

func keys(h processor.Headers) []string {
	var all []string
	for name := range maps.Keys(h) {
		all = append(all, name)
	}
	return all
}

package republish_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func TestWhatACopyKeepsAndDrops(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	msg := processortest.NewMessage(
		processortest.Body("hello"),
		processortest.Header("app", int32(7)),
		processortest.Header("X-Filename", "a.txt"),
		processortest.Header("nested", processor.Headers{"x-death": "mine"}),
		processortest.Header("x-death", []any{processor.Headers{"count": int64(1)}}),
		processortest.Header("x-first-death-queue", "q"),
		processortest.Header("x-last-death-reason", "expired"),
		processortest.Header("x-delivery-count", int64(2)),
		processortest.Header("CC", []any{"elsewhere"}),
		processortest.Header("BCC", []any{"elsewhere"}),
		processortest.Properties(processor.Properties{
			ID: "id", CorrelationID: "corr", ReplyTo: "reply", Type: "type", AppID: "app", UserID: "mallory",
			ContentType: "text/plain", ContentEncoding: "gzip", Expiration: time.Second, Timestamp: when,
			Priority: 9, Transient: true,
		}),
	)
	require.Equal(t, processor.Envelope{
		Body: []byte("hello"),
		Headers: processor.Headers{
			"app": int32(7), "X-Filename": "a.txt", "nested": processor.Headers{"x-death": "mine"},
		},
		Properties: processor.Properties{
			ID: "id", CorrelationID: "corr", ReplyTo: "reply", Type: "type", AppID: "app",
			ContentType: "text/plain", ContentEncoding: "gzip", Timestamp: when, Priority: 9,
		},
	}, republish.Envelope(msg))
	require.Contains(t, msg.Headers(), "x-death", "the message itself is left as it was")
}

func TestHeadersCanBeWrittenWhereThereWereNone(t *testing.T) {
	t.Parallel()
	e := republish.Envelope(processortest.NewMessage())
	republish.SetOrigin(e.Headers, processor.Origin{Exchange: "x", RoutingKey: "k"})
	require.Equal(t, processor.Headers{
		republish.HeaderOriginalExchange: "x", republish.HeaderOriginalKey: "k",
	}, e.Headers)
}

func TestAttemptsAreCountedFromOneWhateverASenderWrites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		claim any
		want  int64
	}{{nil, 1}, {int32(2), 3}, {"2", 3}, {-5, 1}, {"many", 1}, {int64(math.MaxInt64), math.MaxInt64}} {
		require.Equal(t, tc.want, republish.Attempt(processor.Headers{republish.HeaderAttempts: tc.claim}))
	}
	require.EqualValues(t, 1, republish.Attempt(nil))
}

func TestFailureHeadersAreBounded(t *testing.T) {
	t.Parallel()
	h := processor.Headers{}
	root := errors.New(strings.Repeat("é\n\x00", 10_000))
	republish.SetFailure(h, republish.Failure{Err: fmt.Errorf("outer: %w", processor.Reject(root)), At: time.Unix(1, 5)})
	text, _ := h.String(republish.HeaderError)
	require.LessOrEqual(t, len(text), 512)
	require.True(t, strings.HasPrefix(text, "outer: é"))
	require.NotContains(t, text, "\n")
	kind, _ := h.String(republish.HeaderErrorType)
	require.Equal(t, "*errors.errorString", kind)
	at, _ := h.Time(republish.HeaderFailedAt)
	require.Equal(t, time.Unix(1, 0).UTC(), at)
}

// A handler that returned a nil pointer as an error took the process down, again and
// again.
func TestFailureOfATypedNilError(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	h := processor.Headers{}
	republish.SetFailure(h, republish.Failure{Err: fmt.Errorf("handler: %w", typedNil), At: time.Unix(1, 0)})
	require.Equal(t, "*fs.PathError", h[republish.HeaderErrorType])
	require.Contains(t, h[republish.HeaderError], "handler: ")
	republish.SetFailure(h, republish.Failure{Err: typedNil, At: time.Unix(1, 0)})
	require.Equal(t, "*fs.PathError, whose Error method panics", h[republish.HeaderError])
}

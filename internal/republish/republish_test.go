package republish_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		processortest.Header("warren-delay-7", true),
		processortest.Header("warren-delayed", "the application's"),
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
			"warren-delayed":             "the application's",
			"warren-original-expiration": "1000", "warren-original-user-id": "mallory",
		},
		Properties: processor.Properties{
			ID: "id", CorrelationID: "corr", ReplyTo: "reply", Type: "type", AppID: "app",
			ContentType: "text/plain", ContentEncoding: "gzip", Timestamp: when, Priority: 9,
		},
	}, republish.Envelope(msg))
	require.Contains(t, msg.Headers(), "x-death", "the message itself is left as it was")
}

// A property that is present is saved, and an absent one leaves no header.
func TestOnlyPropertiesThatAreThereAreSaved(t *testing.T) {
	t.Parallel()
	require.Empty(t, republish.Envelope(processortest.NewMessage()).Headers)
	for d, want := range map[time.Duration]string{
		time.Nanosecond: "1", 1500 * time.Microsecond: "2", 10 * 365 * 24 * time.Hour: "315360000000",
	} {
		e := republish.Envelope(processortest.NewMessage(processortest.Properties(processor.Properties{Expiration: d})))
		require.Equal(t, processor.Headers{"warren-original-expiration": want}, e.Headers, "rounded up, as on the wire")
	}
}

// The copy of a copy has the saved headers too, although the first copy lacks the properties.
func TestWhatIsSavedStays(t *testing.T) {
	t.Parallel()
	first := republish.Envelope(processortest.NewMessage(processortest.Properties(processor.Properties{Expiration: time.Minute, UserID: "sender"})))
	var headers []processortest.Option
	for name, value := range first.Headers {
		headers = append(headers, processortest.Header(name, value))
	}
	require.Equal(t, first.Headers, republish.Envelope(processortest.NewMessage(headers...)).Headers)
}

func TestAttemptsAreCountedFromOneWhateverASenderWrites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		retries, backoffs any
		want              int64
	}{
		{nil, nil, 1},
		{int32(2), nil, 3},
		{nil, int64(2), 3},
		{1, "2", 4},
		{-5, int64(1), 2},
		{"many", true, 1},
		{2.0, float32(1), 4},
		{2.5, math.NaN(), 1},
		{-1.0, math.Inf(-1), 1},
		{1e300, nil, math.MaxInt64},
		{math.Inf(1), nil, math.MaxInt64},
		{int64(math.MaxInt64), nil, math.MaxInt64},
		{int64(math.MaxInt64), int64(math.MaxInt64), math.MaxInt64},
		{5, int64(math.MaxInt64), math.MaxInt64},
	} {
		h := processor.Headers{republish.HeaderAttempts: tc.retries, republish.HeaderBackoffs: tc.backoffs}
		require.Equal(t, tc.want, republish.Attempt(h), h)
	}
	require.EqualValues(t, 1, republish.Attempt(nil))
}

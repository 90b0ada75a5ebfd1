package republish_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/recovery"
)

// final returns the headers of the parked copy of a message without any.
func final(f republish.Failure, msg ...processortest.Option) processor.Headers {
	return republish.Park(processortest.NewMessage(msg...), f).Headers
}

func TestTheFinalCopySaysWhyWhenWhereAndHowOften(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, processor.Headers{
		"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail",
		"warren-first-failed-at": atNoon, "warren-failed-at": atNoon,
		"warren-error": "550", "warren-error-type": "*errors.errorString", "warren-failures": int64(4), "warren-host": host,
	}, final(republish.Failure{Err: errors.New("550"), At: noon.Add(5), Count: 4}, processortest.Origin(mail)))
}

func TestWhatASenderClaimsAboutTheFailureIsOverwritten(t *testing.T) {
	t.Parallel()
	var forged []processortest.Option
	for _, name := range republish.FinalHeaders {
		forged = append(forged, processortest.Header(name, "forged"))
	}
	headers := final(republish.Failure{Err: errors.New("550"), At: noon}, forged...)
	for name, value := range headers {
		require.NotEqual(t, "forged", value, name)
	}
	require.NotContains(t, headers, republish.HeaderStack)
}

func TestTheCountOfFailuresIsBounded(t *testing.T) {
	t.Parallel()
	for count, want := range map[int64]int64{math.MinInt64: 1, 0: 1, 1: 1, 300: 300, math.MaxInt64: math.MaxInt32} {
		h := final(republish.Failure{Err: fs.ErrClosed, At: noon, Count: count}, processortest.Header("swarrot_retry_attempts", int64(math.MaxInt64)))
		require.Equal(t, want, h[republish.HeaderFailures])
	}
}

func TestAFailureThatLeftNoCopyIsTheFirst(t *testing.T) {
	t.Parallel()
	before := noon.Add(-time.Hour)
	for first, want := range map[time.Time]string{{}: atNoon, before: atEleven, noon.Add(time.Hour): atNoon} {
		require.Equal(t, want, final(republish.Failure{Err: fs.ErrClosed, At: noon, First: first})[republish.HeaderFirstFailedAt])
	}
	retried := claims(processortest.Header("swarrot_retry_attempts", int64(1)))
	require.Equal(t, atEleven, final(republish.Failure{Err: fs.ErrClosed, At: noon, First: noon.Add(-time.Minute)}, retried...)[republish.HeaderFirstFailedAt])
}

func TestFailureHeadersAreBounded(t *testing.T) {
	t.Parallel()
	root := errors.New(strings.Repeat("é\n\x00", 10_000))
	h := final(republish.Failure{Err: fmt.Errorf("outer: %w", processor.Reject(root)), At: noon})
	text, _ := h.String(republish.HeaderError)
	require.LessOrEqual(t, len(text), 512)
	require.True(t, strings.HasPrefix(text, "outer: é"))
	require.NotContains(t, text, "\n")
	kind, _ := h.String(republish.HeaderErrorType)
	require.Equal(t, "*errors.errorString", kind)
}

// A handler that returned a nil pointer as an error took the process down, again and
// again.
func TestFailureOfATypedNilError(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	h := final(republish.Failure{Err: fmt.Errorf("handler: %w", typedNil), At: noon})
	require.Equal(t, "*fs.PathError", h[republish.HeaderErrorType])
	require.Contains(t, h[republish.HeaderError], "handler: ")
	h = final(republish.Failure{Err: typedNil, At: noon})
	require.Equal(t, "*fs.PathError, whose Error method panics", h[republish.HeaderError])
}

// asError and traceError are errors of a hostile handler.
type asError struct{ error }

func (asError) As(any) bool { panic("no as") }

type traceError struct{ error }

func (traceError) StackTrace() string { panic("no trace") }

func TestTheStackOfAPanicIsToldIfAskedFor(t *testing.T) {
	t.Parallel()
	deep := "goroutine 1 [running]:\n" + strings.Repeat("\tmain.f(0x1)\r\n", 1000)
	for name, tc := range map[string]struct {
		err  error
		ask  bool
		want string
	}{
		"a panic":            {&recovery.PanicError{Stack: []byte("goroutine 1:\nmain.f()\n\tmain.go:7\n")}, true, "goroutine 1:\nmain.f()\n main.go:7"},
		"wrapped":            {processor.RetryAfter(fmt.Errorf("x: %w", &recovery.PanicError{Stack: []byte("a\x1bb\xff")}), 0), true, "a b?"},
		"not asked for":      {&recovery.PanicError{Stack: []byte("goroutine 1")}, false, ""},
		"no panic":           {errors.New("550"), true, ""},
		"no stack":           {&recovery.PanicError{}, true, ""},
		"an As that panics":  {asError{errors.New("550")}, true, ""},
		"a trace that does":  {traceError{errors.New("550")}, true, ""},
		"of a thousand deep": {&recovery.PanicError{Stack: []byte(deep)}, true, strings.ReplaceAll(strings.ReplaceAll(deep, "\r", ""), "\t", " ")[:4096]},
		"in one line":        {&recovery.PanicError{Stack: []byte(strings.Repeat("é", 4000))}, true, strings.Repeat("é", 2048)},
		"to the last byte":   {&recovery.PanicError{Stack: []byte(strings.Repeat("x", 4095) + "\ny\nz")}, true, strings.Repeat("x", 4095)},
	} {
		h := final(republish.Failure{Err: tc.err, At: noon, Stack: tc.ask}, processortest.Header(republish.HeaderStack, "forged"))
		stack, told := h.String(republish.HeaderStack)
		require.Equal(t, tc.want, stack, name)
		require.Equal(t, tc.want != "", told, name)
	}
}

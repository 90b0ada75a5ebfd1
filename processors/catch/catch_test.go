package catch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errMail = errors.New("mail server says no")

func silent() catch.Option { return catch.Logger(slog.New(slog.DiscardHandler)) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:     func(testing.TB) processor.Middleware { return catch.New(silent()) },
		Absorbs: true,
	})
}

func process(t *testing.T, ctx context.Context, result error, opts ...catch.Option) error {
	t.Helper()
	p, err := stack.New(catch.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return result })
	require.NoError(t, err)
	return p.Process(ctx, processortest.NewMessage())
}

func TestErrorsEndHere(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errMail, processor.Reject(errMail), processor.Drop(errMail)} {
		require.NoError(t, process(t, t.Context(), err, silent()))
	}
}

func TestTheWishToStopPasses(t *testing.T) {
	t.Parallel()
	require.Equal(t, processor.ErrStop, process(t, t.Context(), processor.ErrStop, silent()))
	err := process(t, t.Context(), processor.Stop(errMail), silent())
	require.Equal(t, processor.Decision{Action: processor.Done, Stop: true}, processor.Decide(err))
}

func TestWhatGoesBackPassesOrTheMessageWouldBeAcked(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, process(t, t.Context(), processor.Requeue(errMail), silent()), errMail)
	require.ErrorIs(t, process(t, t.Context(), processor.Release(errMail), silent()), errMail)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, process(t, ctx, errMail, silent()), errMail)
}

func TestCaughtErrorsAreLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, process(t, t.Context(), errMail, catch.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	for _, want := range []string{"level=ERROR", "queue=test-queue", "message_id=test-message", "mail server says no"} {
		require.Contains(t, out.String(), want)
	}
}

func TestLogsAreBoundedAndEscaped(t *testing.T) {
	t.Parallel()
	evil := strings.Repeat("A\nlevel=INFO msg=forged ", 1000)
	var out bytes.Buffer
	p, err := stack.New(catch.New(catch.Logger(slog.New(slog.NewTextHandler(&out, nil))))).
		ThenFunc(func(context.Context, processor.Message) error { return errors.New(evil) })
	require.NoError(t, err)
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: evil}))
	require.NoError(t, p.Process(t.Context(), msg))
	require.Less(t, out.Len(), 2000)
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}

func TestErrorsWhoseTextPanicsAreLogged(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	var out bytes.Buffer
	require.NoError(t, process(t, t.Context(), typedNil, catch.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	require.Contains(t, out.String(), "*fs.PathError")
}

func TestNilLoggerIsTheDefault(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	require.NoError(t, process(t, t.Context(), errMail, catch.Logger(nil)))
	require.Contains(t, out.String(), "mail server says no")
}

// Inside ack every error would be acked; inside retry the retry would never fire.
func TestStackRefusesCatchInsideAckOrRetry(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, processor.Message) error { return errMail }
	again := retry.New(&processortest.Publisher{}, "retry_%attempt%")
	_, err := stack.New(ack.New(), catch.New()).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
	require.ErrorContains(t, err, "put catch outside ack")
	_, err = stack.New(again, catch.New()).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
	require.ErrorContains(t, err, "put catch outside retry")
	_, err = stack.New(catch.New(), ack.New(), again).ThenFunc(handler)
	require.NoError(t, err)
}

func TestNilOptionShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	_, err := stack.New(catch.New(nil)).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.ErrorContains(t, err, "catch: option 1 is nil")
}

func ExampleNew() {
	handler := func(context.Context, processor.Message) error { return errors.New("no") }
	quiet := slog.New(slog.DiscardHandler)
	pipeline, err := stack.New(catch.New(catch.Logger(quiet)), ack.New()).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	msg := processortest.NewMessage()
	fmt.Println(pipeline.Process(context.Background(), msg))
	fmt.Println(msg.Settlements())
	// Output:
	// <nil>
	// [nack without requeue]
}

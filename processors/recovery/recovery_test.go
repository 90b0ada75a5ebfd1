package recovery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

func TestAPanicIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := process(t, func(context.Context, processor.Message) error { panic("boom") },
		recovery.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	require.Error(t, err)
	require.Contains(t, out.String(), `level=ERROR msg="the handler panicked" queue=test-queue message_id=test-message`)
	require.Contains(t, out.String(), "recovery_test.go")
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "escaped")
}

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:      func(testing.TB) processor.Middleware { return recovery.New() },
		Recovers: true,
	})
}

func TestConformanceWithGoexit(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return recovery.New(recovery.Goexit()) },
		Recovers:  true,
		Allocates: true, // a goroutine a message
	})
}

func process(t *testing.T, handler processor.ProcessorFunc, opts ...recovery.Option) error {
	t.Helper()
	p, err := stack.New(recovery.New(opts...)).Then(handler)
	require.NoError(t, err)
	return p.Process(t.Context(), processortest.NewMessage())
}

func TestPanicCarriesItsValueAndStack(t *testing.T) {
	t.Parallel()
	err := process(t, func(context.Context, processor.Message) error { panic(io.ErrUnexpectedEOF) })
	var p *recovery.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, io.ErrUnexpectedEOF, p.Value)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Contains(t, string(p.Stack), "recovery_test.go", "the stack is the handler's")
	require.NotContains(t, err.Error(), "recovery_test.go", "the stack is not in the text, which may end in a header")
}

func TestPanicIsAFailureWhateverItsValueSays(t *testing.T) {
	t.Parallel()
	failed := processor.Decision{Action: processor.Failed}
	failedThenStop := processor.Decision{Action: processor.Failed, Stop: true}
	var typedNil *fs.PathError
	for name, tc := range map[string]struct {
		value any
		want  processor.Decision
	}{
		"text":            {"boom", failed},
		"error":           {io.EOF, failed},
		"drop":            {processor.Drop(io.EOF), failed},
		"reject":          {processor.Reject(io.EOF), failed},
		"requeue":         {processor.Requeue(io.EOF), failed},
		"stop after it":   {processor.ErrStop, failedThenStop},
		"stop":            {processor.Stop(io.EOF), failedThenStop},
		"typed nil error": {typedNil, failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, opts := range [][]recovery.Option{nil, {recovery.Goexit()}} {
				err := process(t, func(context.Context, processor.Message) error { panic(tc.value) }, opts...)
				require.Equal(t, tc.want, processor.Decide(err))
				var p *recovery.PanicError
				require.ErrorAs(t, err, &p)
				require.Equal(t, tc.value, p.Value)
			}
		})
	}
}

// It was acked and lost: ErrStop without a panic means that the message is dealt with.
func TestPanicWithErrStopParksTheMessage(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), retry.New(pub, "", retry.Retries(0), retry.ParkKey("parked")), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error { panic(processor.ErrStop) })
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.True(t, processor.Decide(p.Process(t.Context(), msg)).Stop)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Equal(t, "parked", pub.Published()[0].To.RoutingKey)
}

func TestPanicOfNilIsAnError(t *testing.T) {
	t.Parallel()
	err := process(t, func(context.Context, processor.Message) error { panic(nil) })
	var value *runtime.PanicNilError
	require.ErrorAs(t, err, &value)
}

func TestPanicOfNilIsAnErrorWithOldSemantics(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	err := process(t, func(context.Context, processor.Message) error { panic(nil) })
	require.Error(t, err)
}

func TestGoexitIsAnErrorWhenAskedFor(t *testing.T) {
	t.Parallel()
	exit := func(context.Context, processor.Message) error { runtime.Goexit(); return nil }
	require.ErrorIs(t, process(t, exit, recovery.Goexit()), recovery.ErrGoexit)
}

func TestPanicTakesTheWayOfAnError(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), retry.New(pub, "retry_%attempt%"), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error { panic("boom") })
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Equal(t, "retry_1", pub.Published()[0].To.RoutingKey)
}

func TestStackRefusesRecoveryOutsideAckOrRetry(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, processor.Message) error { return nil }
	_, err := stack.New(recovery.New(), ack.New()).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
	_, err = stack.New(ack.New(), recovery.New(), retry.New(&processortest.Publisher{}, "r_%attempt%")).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
}

func TestNilOptionShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	_, err := stack.New(recovery.New(nil)).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.ErrorContains(t, err, "recovery: option 1 is nil")
}

func ExampleNew() {
	pipeline, err := stack.New(recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error { panic("out of stamps") })
	if err != nil {
		panic(err)
	}
	err = pipeline.Process(context.Background(), processortest.NewMessage())
	var p *recovery.PanicError
	fmt.Println(errors.As(err, &p), err)
	// Output: true recovery: panic: out of stamps
}

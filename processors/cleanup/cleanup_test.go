package cleanup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/cleanup"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/recovery"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var (
	errMail    = errors.New("mail server says no")
	errSession = errors.New("session is broken")
)

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return cleanup.New(returns(nil)) },
		Allocates: true, // a context and a timer for the function
	})
}

func TestConformanceWhileTheCleanupFails(t *testing.T) {
	for name, f := range map[string]cleanup.Func{
		"error": returns(processor.Requeue(errSession)),
		"panic": func(context.Context, processor.Message, error) error { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			processortest.TestMiddleware(t, processortest.Contract{
				New:       func(testing.TB) processor.Middleware { return cleanup.New(f) },
				Allocates: true,
			})
		})
	}
}

// returns is a cleanup that returns err.
func returns(err error) cleanup.Func {
	return func(context.Context, processor.Message, error) error { return err }
}

func build(t *testing.T, handler processor.ProcessorFunc, f cleanup.Func, opts ...cleanup.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(cleanup.New(f, opts...)).Then(handler)
	require.NoError(t, err)
	return p
}

func fails(err error) processor.ProcessorFunc {
	return func(context.Context, processor.Message) error { return err }
}

func TestRunsAfterEachMessageWithItsError(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, errMail, processor.Reject(errMail), processor.ErrStop} {
		var got []error
		msg := processortest.NewMessage()
		err := build(t, fails(result), func(_ context.Context, m processor.Message, err error) error {
			require.Same(t, msg, m)
			got = append(got, err)
			return nil
		}).Process(t.Context(), msg)
		require.Equal(t, result, err)
		require.Equal(t, []error{result}, got)
	}
}

func TestAFailedCleanupIsLoggedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, processor.ErrStop, errMail, processor.Reject(errMail), processor.Requeue(errMail)} {
		for says, f := range map[string]cleanup.Func{
			"session is broken": returns(processor.Requeue(errSession)),
			"panicked: boom":    func(context.Context, processor.Message, error) error { panic("boom") },
			"PathError":         returns((*fs.PathError)(nil)),
			"":                  func(context.Context, processor.Message, error) error { panic(&cursed{}) },
		} {
			var out bytes.Buffer
			err := build(t, fails(result), f, cleanup.Logger(slog.New(slog.NewTextHandler(&out, nil)))).
				Process(t.Context(), processortest.NewMessage())
			require.Equal(t, result, err)
			require.Contains(t, out.String(), "level=ERROR")
			require.Contains(t, out.String(), "message_id=test-message")
			require.Contains(t, out.String(), says)
			require.Equal(t, 1, strings.Count(out.String(), "\n"))
		}
	}
}

func TestAPanicOfTheCleanupIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, build(t, fails(nil), func(context.Context, processor.Message, error) error { panic("boom") },
		cleanup.Logger(slog.New(slog.NewTextHandler(&out, nil)))).Process(t.Context(), processortest.NewMessage()))
	require.Contains(t, out.String(), "cleanup_test.go")
}

func TestCleanupMayStopTheRun(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, errMail, processor.Requeue(errMail)} {
		for _, stop := range []error{processor.ErrStop, processor.Stop(errSession)} {
			err := build(t, fails(result), returns(stop)).Process(t.Context(), processortest.NewMessage())
			require.Equal(t, processor.Decision{Action: processor.Decide(result).Action, Stop: true}, processor.Decide(err))
			if result != nil {
				require.ErrorIs(t, err, result)
			}
		}
	}
}

// A transaction rolls back, and a mark is not made, for a message that is not done.
func TestSuccessStaysASuccess(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New(), cleanup.New(returns(errSession))).Then(fails(nil))
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestPanicOfTheHandlerGoesOnItsWay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		f    cleanup.Func
		logs int
	}{
		"cleaned up":           {returns(nil), 0},
		"the cleanup fails":    {returns(errSession), 1},
		"the cleanup panics":   {func(context.Context, processor.Message, error) error { panic("another") }, 1},
		"an error that panics": {returns((*fs.PathError)(nil)), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var got error
			p := build(t, func(context.Context, processor.Message) error { panic("boom") },
				func(ctx context.Context, msg processor.Message, err error) error {
					got = err
					return tc.f(ctx, msg, err)
				}, cleanup.Logger(slog.New(slog.NewTextHandler(&out, nil))))
			require.PanicsWithValue(t, "boom", func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
			require.Equal(t, cleanup.ErrNoReturn, got)
			require.Equal(t, tc.logs, strings.Count(out.String(), "\n"), out.String())
		})
	}
}

func TestGoexitOfTheHandlerIsCleanedUpAfter(t *testing.T) {
	t.Parallel()
	var got error
	p := build(t, func(context.Context, processor.Message) error { runtime.Goexit(); return nil },
		func(_ context.Context, _ processor.Message, err error) error { got = err; return nil })
	exited := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { exited <- !returned }()
		_ = p.Process(t.Context(), processortest.NewMessage())
		returned = true
	}()
	require.True(t, <-exited, "the goroutine ends")
	require.Equal(t, cleanup.ErrNoReturn, got)
}

func TestGoexitOfTheCleanupIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := build(t, fails(nil), func(context.Context, processor.Message, error) error { runtime.Goexit(); return nil },
		cleanup.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = p.Process(t.Context(), processortest.NewMessage())
	}()
	<-exited
	require.Contains(t, out.String(), "runtime.Goexit")
}

func TestPanicIsAnErrorWithRecoveryInside(t *testing.T) {
	t.Parallel()
	var panicked *recovery.PanicError
	p, err := stack.New(cleanup.New(func(_ context.Context, _ processor.Message, err error) error {
		require.ErrorAs(t, err, &panicked)
		return nil
	}), recovery.New()).ThenFunc(func(context.Context, processor.Message) error { panic("boom") })
	require.NoError(t, err)
	require.ErrorAs(t, p.Process(t.Context(), processortest.NewMessage()), &panicked)
}

func TestRunsBetweenTriesInPlace(t *testing.T) {
	t.Parallel()
	var log []string
	p, err := stack.New(instantretry.New(instantretry.Delay(0)),
		cleanup.New(func(context.Context, processor.Message, error) error { log = append(log, "clean"); return nil })).
		ThenFunc(func(context.Context, processor.Message) error { log = append(log, "try"); return errMail })
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
	require.Equal(t, []string{"try", "clean", "try", "clean", "try", "clean"}, log)
}

type contextKey struct{}

func TestContextLivesAfterTheMessageWasCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "kept"))
		cancel()
		start := time.Now()
		err := build(t, fails(ctx.Err()), func(ctx context.Context, _ processor.Message, _ error) error {
			require.NoError(t, ctx.Err())
			require.Equal(t, "kept", ctx.Value(contextKey{}))
			<-ctx.Done()
			return ctx.Err()
		}, cleanup.Timeout(time.Minute)).Process(ctx, processortest.NewMessage())
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// cursed panics with a value that panics when it is printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]processor.Middleware{
		"cleanup: option 1 is nil":     cleanup.New(returns(nil), nil),
		"cleanup: the function is nil": cleanup.New(nil),
		"cleanup: Timeout is 0s":       cleanup.New(returns(nil), cleanup.Timeout(0)),
	} {
		_, err := stack.New(m).Then(fails(nil))
		require.ErrorContains(t, err, want)
	}
}

func TestSettingsIncludeDefaults(t *testing.T) {
	t.Parallel()
	d := build(t, fails(nil), returns(nil)).Describe()
	require.Equal(t, "[{timeout 5s}]", fmt.Sprint(d.Layers[0].Settings))
}

func ExampleNew() {
	session := []string{}
	pipeline, err := stack.New(
		cleanup.New(func(_ context.Context, _ processor.Message, err error) error {
			fmt.Println("reset after:", err)
			session = session[:0]
			return nil
		}),
		recovery.New(recovery.Logger(slog.New(slog.DiscardHandler))),
	).ThenFunc(func(_ context.Context, msg processor.Message) error {
		session = append(session, string(msg.Body()))
		panic("out of stamps")
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(pipeline.Process(context.Background(), processortest.NewMessage(processortest.Body("a letter"))))
	fmt.Println(session)
	// Output:
	// reset after: recovery: panic: out of stamps
	// recovery: panic: out of stamps
	// []
}

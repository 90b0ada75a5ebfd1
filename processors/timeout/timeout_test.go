package timeout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/timeout"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var errMail = errors.New("mail server says no")

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return timeout.New(time.Hour) },
		Allocates: true, // a context and a timer
	})
}

func build(t *testing.T, limit time.Duration, handler processor.ProcessorFunc, opts ...timeout.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(timeout.New(limit, opts...)).Then(handler)
	require.NoError(t, err)
	return p
}

// patient waits for the end of its context.
func patient(ctx context.Context, _ processor.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// stubborn ignores its context for d and returns err.
func stubborn(d time.Duration, err error) processor.ProcessorFunc {
	return func(context.Context, processor.Message) error {
		time.Sleep(d) // in a synctest bubble
		return err
	}
}

func TestContextEndsAtTheLimitAndSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := build(t, time.Minute, func(ctx context.Context, msg processor.Message) error {
			defer func() { require.ErrorIs(t, context.Cause(ctx), timeout.ErrTimeout) }()
			return patient(ctx, msg)
		}).Process(t.Context(), processortest.NewMessage())
		require.Equal(t, time.Minute, time.Since(start))
		require.ErrorIs(t, err, timeout.ErrTimeout)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "over 1m0s")
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
	})
}

func TestFailureWithinTheLimitIsNotTouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, errMail, build(t, time.Minute, stubborn(time.Minute-1, errMail)).
			Process(t.Context(), processortest.NewMessage()))
	})
}

func TestTimerIsLetGoOfWithTheMessage(t *testing.T) {
	t.Parallel()
	var ended <-chan struct{}
	p := build(t, time.Hour, func(ctx context.Context, _ processor.Message) error { ended = ctx.Done(); return nil })
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	<-ended
}

func TestDecisionMadeAfterTheLimitStands(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{
		"reject":      processor.Reject(errMail),
		"requeue":     processor.Requeue(errMail),
		"drop":        processor.Drop(errMail),
		"release":     processor.Release(errMail),
		"retry after": processor.RetryAfter(errMail, time.Hour),
		"stop":        processor.Stop(errMail),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := build(t, time.Minute, stubborn(time.Hour, result)).Process(t.Context(), processortest.NewMessage())
				require.ErrorIs(t, err, timeout.ErrTimeout)
				require.ErrorIs(t, err, errMail)
				require.Equal(t, processor.Decide(result), processor.Decide(err))
			})
		})
	}
}

// ErrStop means that the message is dealt with. Beside another error it would have failed.
func TestSuccessAfterTheLimitIsSuccess(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, processor.ErrStop} {
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, result, build(t, time.Minute, stubborn(time.Hour, result)).
				Process(t.Context(), processortest.NewMessage()))
		})
	}
}

func TestOuterContextThatEndsFirstIsNotOurTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, time.Minute, patient)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Process(ctx, processortest.NewMessage())
		require.Equal(t, context.DeadlineExceeded, err)

		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(processor.ErrShutdown) })
		require.Equal(t, context.Canceled, p.Process(ctx, processortest.NewMessage()))
	})
}

func TestOnlyTheLimitThatWasReachedIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := stack.New(timeout.New(time.Minute), timeout.New(time.Hour)).ThenFunc(patient)
		require.NoError(t, err)
		err = p.Process(t.Context(), processortest.NewMessage())
		require.EqualError(t, err, "timeout: the message took too long: over 1m0s: context deadline exceeded")
	})
}

func TestMessageThatTakesTooLongIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pub := &processortest.Publisher{}
		p, err := stack.New(ack.New(), retry.New(pub, "retry_%attempt%"), timeout.New(time.Minute)).ThenFunc(patient)
		require.NoError(t, err)
		msg := processortest.NewMessage()
		require.NoError(t, p.Process(t.Context(), msg))
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
		require.Equal(t, "retry_1", pub.Published()[0].To.RoutingKey)
	})
}

func TestEachTryInPlaceHasTheWholeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := stack.New(instantretry.New(instantretry.Delay(0)), timeout.New(time.Minute)).ThenFunc(patient)
		require.NoError(t, err)
		start := time.Now()
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), timeout.ErrTimeout)
		require.Equal(t, 3*time.Minute, time.Since(start))
	})
}

func TestPanicAfterTheLimitPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, time.Minute, func(context.Context, processor.Message) error {
			time.Sleep(time.Hour)
			panic("boom")
		})
		require.PanicsWithValue(t, "boom", func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
	})
}

// cursed panics with a value that panics when it is printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestErrorsWhoseTextPanicsAreWrapped(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	for _, result := range []error{typedNil, &cursed{}} {
		synctest.Test(t, func(t *testing.T) {
			err := build(t, time.Minute, stubborn(time.Hour, result)).Process(t.Context(), processortest.NewMessage())
			require.Equal(t, processor.Failed, processor.Decide(err).Action)
			require.ErrorIs(t, err, timeout.ErrTimeout)
		})
	}
}

func TestHandlerThatIgnoresItsContextIsLogged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		takes  time.Duration
		logged bool
	}{{time.Minute, false}, {time.Minute + time.Second, false}, {time.Minute + 2*time.Second, true}} {
		t.Run(tc.takes.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				log := timeout.Logger(slog.New(slog.NewTextHandler(&out, nil)))
				require.NoError(t, build(t, time.Minute, stubborn(tc.takes, nil), log).Process(t.Context(), processortest.NewMessage()))
				require.Equal(t, tc.logged, out.Len() > 0)
				if tc.logged {
					require.Contains(t, out.String(), "level=WARN")
					require.Contains(t, out.String(), "message_id=test-message")
					require.Contains(t, out.String(), "limit=1m0s late=2s")
				}
			})
		})
	}
}

func TestLimitThatTheBrokerDoesNotWaitForIsLoggedAtTheStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		limit time.Duration
		opts  []timeout.Option
		want  string
	}{
		{"below the default", timeout.DefaultBrokerTimeout - 1, nil, ""},
		{"the default", timeout.DefaultBrokerTimeout, nil, "limit=30m0s broker_timeout=30m0s"},
		{"above a broker's own", 2 * time.Second, []timeout.Option{timeout.BrokerTimeout(time.Second)}, "limit=2s broker_timeout=1s"},
		{"below a broker's own", time.Hour, []timeout.Option{timeout.BrokerTimeout(2 * time.Hour)}, ""},
		{"turned off", 100 * time.Hour, []timeout.Option{timeout.BrokerTimeout(0)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p := build(t, tc.limit, patient, append(tc.opts, timeout.Logger(slog.New(slog.NewTextHandler(&out, nil))))...)
			require.NoError(t, p.Start(t.Context()))
			require.Contains(t, out.String(), tc.want)
			require.Equal(t, tc.want != "", out.Len() > 0)
		})
	}
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]processor.Middleware{
		"timeout: option 1 is nil":     timeout.New(time.Second, nil),
		"the limit is 0s":              timeout.New(0),
		"the limit is -1ns":            timeout.New(-1),
		"BrokerTimeout is -1ns":        timeout.New(time.Second, timeout.BrokerTimeout(-1)),
		"leave the layer out\ntimeout": timeout.New(0, timeout.BrokerTimeout(-1)),
	} {
		_, err := stack.New(m).ThenFunc(patient)
		require.ErrorContains(t, err, want)
	}
}

// Outside ack or retry a message that takes too long would be requeued without end.
func TestStackRefusesTimeoutOutsideAckOrRetry(t *testing.T) {
	t.Parallel()
	for _, inner := range []processor.Middleware{ack.New(), retry.New(&processortest.Publisher{}, "r_%attempt%")} {
		_, err := stack.New(timeout.New(time.Second), inner).ThenFunc(patient)
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

func TestDescriptionSaysWhatBecomesOfATimeout(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New(), timeout.New(time.Minute), recovery.New()).ThenFunc(patient)
	require.NoError(t, err)
	d := p.Describe()
	require.Equal(t, "[{limit 1m0s} {broker timeout 30m0s}]", fmt.Sprint(d.Layers[1].Settings))
	require.Contains(t, d.Outcomes, stack.Outcome{
		Case: stack.CaseTimeout, Action: processor.Failed, Settled: stack.SettledByNack,
	})
	off := build(t, time.Second, patient, timeout.BrokerTimeout(0)).Describe()
	require.Equal(t, "[{limit 1s} {broker timeout off}]", fmt.Sprint(off.Layers[0].Settings))
}

func ExampleNew() {
	pipeline, err := stack.New(timeout.New(10 * time.Millisecond)).
		ThenFunc(func(ctx context.Context, _ processor.Message) error {
			<-ctx.Done() // as a client that is given ctx does
			return ctx.Err()
		})
	if err != nil {
		panic(err)
	}
	err = pipeline.Process(context.Background(), processortest.NewMessage())
	fmt.Println(errors.Is(err, timeout.ErrTimeout), err)
	// Output: true timeout: the message took too long: over 10ms: context deadline exceeded
}

package instantretry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
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
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var errMail = errors.New("mail server says no")

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:     func(testing.TB) processor.Middleware { return instantretry.New(instantretry.Delay(0)) },
		Repeats: true,
	})
}

func TestConformanceWithBackoff(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return instantretry.New(instantretry.Delay(time.Millisecond), instantretry.DoubleUpTo(2*time.Millisecond),
				instantretry.If(func(error) bool { return true }))
		},
		Repeats: true,
	})
}

// script is a handler that returns one result after the other, and repeats the last.
type script struct {
	results []error
	at      []time.Duration // when it was called
	start   time.Time
}

func newScript(results ...error) *script { return &script{results: results, start: time.Now()} }

func (s *script) Process(context.Context, processor.Message) error {
	s.at = append(s.at, time.Since(s.start))
	return s.results[min(len(s.at), len(s.results))-1]
}

func build(t *testing.T, handler processor.Processor, opts ...instantretry.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(instantretry.New(opts...)).Then(handler)
	require.NoError(t, err)
	return p
}

func TestFailureIsTriedAgainUntilItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(errMail, processor.RetryAfter(errMail, 0), nil)
		require.NoError(t, build(t, s).Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, s.at)
	})
}

func TestLastErrorComesBackWithTheNumberOfTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(errors.New("first"), errors.New("second"), errMail)
		err := build(t, s).Process(t.Context(), processortest.NewMessage())
		require.ErrorIs(t, err, errMail)
		require.ErrorContains(t, err, "after 3 tries")
		require.NotContains(t, err.Error(), "second")
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
		require.Len(t, s.at, 3)
	})
}

func TestOneAttemptChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScript(errMail)
	require.Equal(t, errMail, build(t, s, instantretry.Retries(0)).Process(t.Context(), processortest.NewMessage()))
	require.Len(t, s.at, 1)
}

func TestDecisionsComeBackAtOnce(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{
		"reject":               processor.Reject(errMail),
		"requeue":              processor.Requeue(errMail),
		"drop":                 processor.Drop(errMail),
		"release":              processor.Release(errMail),
		"stop":                 processor.Stop(errMail),
		"stop after success":   processor.ErrStop,
		"stop inside a failed": processor.RetryAfter(processor.Stop(errMail), 0),
		"a longer retry after": processor.RetryAfter(errMail, 2*time.Second+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(result)
			require.Equal(t, result, build(t, s).Process(t.Context(), processortest.NewMessage()))
			require.Len(t, s.at, 1)
		})
	}
}

func TestDecisionOfALaterTryStands(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{
		"reject":             processor.Reject(errMail),
		"release":            processor.Release(errMail),
		"stop":               processor.Stop(errMail),
		"stop after success": processor.ErrStop,
		"retry after":        processor.RetryAfter(errMail, time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(errors.New("first"), result)
			err := build(t, s, instantretry.Delay(0)).Process(t.Context(), processortest.NewMessage())
			require.ErrorIs(t, err, result)
			require.Equal(t, processor.Decide(result), processor.Decide(err))
			require.Len(t, s.at, 2)
		})
	}
}

func TestAskedForDelayIsKeptWhereThePauseIsLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The jittered pause may be shorter than the requested delay.
		s := newScript(processor.RetryAfter(errMail, time.Second), nil)
		p := build(t, s, instantretry.Delay(time.Second), instantretry.DoubleUpTo(time.Second))
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, []time.Duration{0, time.Second}, s.at)
	})
}

func TestDelayDoublesUpToItsLimitWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(errMail)
		p := build(t, s, instantretry.Retries(199), instantretry.Delay(time.Second), instantretry.DoubleUpTo(10*time.Second))
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
		require.Len(t, s.at, 200)
		nominal, exact := time.Second, 0
		for i := 1; i < len(s.at); i++ {
			gap := s.at[i] - s.at[i-1]
			require.GreaterOrEqual(t, gap, nominal/2)
			require.LessOrEqual(t, gap, nominal)
			if gap == nominal {
				exact++
			}
			nominal = min(2*nominal, 10*time.Second)
		}
		require.Less(t, exact, 100, "there is jitter")
	})
}

func TestHugeLimitDoesNotOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(errMail)
		p := build(t, s, instantretry.Retries(99), instantretry.Delay(3*time.Millisecond), instantretry.DoubleUpTo(math.MaxInt64))
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		require.ErrorIs(t, p.Process(ctx, processortest.NewMessage()), errMail)
		require.Less(t, len(s.at), 60, "it waits in the end")
	})
}

func TestEndOfTheContextEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(processor.ErrShutdown) })
		s := newScript(errMail)
		start := time.Now()
		msg := processortest.NewMessage()
		p, err := stack.New(ack.New(), instantretry.New()).Then(s)
		require.NoError(t, err)
		require.ErrorIs(t, p.Process(ctx, msg), errMail)
		require.Len(t, s.at, 1)
		require.Equal(t, time.Second, time.Since(start))
		require.Empty(t, msg.Settlements(), "left to the consumer to give back")
	})
}

func TestNothingIsTriedAgainWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Hour} {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		var out bytes.Buffer
		p := build(t, processor.ProcessorFunc(func(context.Context, processor.Message) error {
			calls++
			cancel()
			return errMail
		}), instantretry.Delay(delay), instantretry.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		require.Equal(t, errMail, p.Process(ctx, processortest.NewMessage()))
		require.Equal(t, 1, calls)
		require.Empty(t, out.String(), "nor is it said to be")
	}
}

func TestSettledMessageIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	calls := 0
	p := build(t, processor.ProcessorFunc(func(_ context.Context, msg processor.Message) error {
		calls++
		return errors.Join(msg.Ack(), errMail)
	}))
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
	require.Equal(t, 1, calls)
}

func TestFilterSaysWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	temporary := errors.New("temporary")
	s := newScript(temporary, errMail)
	p := build(t, s, instantretry.Delay(0), instantretry.If(func(err error) bool { return errors.Is(err, temporary) }))
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
	require.Len(t, s.at, 2)
}

func TestPanicOfTheFilterIsAnErrorOfTheMessage(t *testing.T) {
	t.Parallel()
	s := newScript(processor.RetryAfter(errMail, time.Second))
	p := build(t, s, instantretry.If(func(error) bool { panic("boom") }))
	err := p.Process(t.Context(), processortest.NewMessage())
	require.ErrorIs(t, err, errMail)
	require.ErrorContains(t, err, "boom")
	require.Equal(t, processor.Decision{Action: processor.Failed, After: time.Second}, processor.Decide(err))
	require.Len(t, s.at, 1)
}

func TestPanicIsTriedAgainWithRecoveryInside(t *testing.T) {
	t.Parallel()
	calls := 0
	p, err := stack.New(instantretry.New(instantretry.Delay(0)), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error {
			if calls++; calls == 1 {
				panic("boom")
			}
			return nil
		})
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, 2, calls)
}

func TestWhatFailsEachTimeIsRetriedThroughTheBroker(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), retry.New(pub, "retry_%attempt%"), instantretry.New(instantretry.Delay(0))).
		Then(newScript(errMail))
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Len(t, pub.Published(), 1)
}

// cursed panics with a value that panics when it is printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestErrorsWhoseTextPanicsAreTriedAgainAndLogged(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	var evil error = &cursed{}
	for _, result := range []error{typedNil, evil} {
		var out bytes.Buffer
		p := build(t, newScript(result), instantretry.Delay(0), instantretry.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		err := p.Process(t.Context(), processortest.NewMessage())
		require.Equal(t, processor.Failed, processor.Decide(err).Action)
		require.Contains(t, out.String(), fmt.Sprintf("%T", result))
	}
}

func TestEachTryThatIsNotTheLastIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := build(t, newScript(errMail), instantretry.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		require.Error(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
		for _, want := range []string{"level=INFO", "message_id=test-message", "mail server says no", "try=2 tries=3 delay=2s"} {
			require.Contains(t, out.String(), want)
		}
	})
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []instantretry.Option
		want string
	}{
		"nil option":         {[]instantretry.Option{nil}, "option 1 is nil"},
		"negative":           {[]instantretry.Option{instantretry.Retries(-1)}, "Retries is -1"},
		"negative delay":     {[]instantretry.Option{instantretry.Delay(-1)}, "Delay is -1ns"},
		"nothing to double":  {[]instantretry.Option{instantretry.Delay(0), instantretry.DoubleUpTo(1)}, "set Delay"},
		"limit below delay":  {[]instantretry.Option{instantretry.DoubleUpTo(time.Second)}, "DoubleUpTo(1s)"},
		"no limit":           {[]instantretry.Option{instantretry.DoubleUpTo(0)}, "DoubleUpTo(0s)"},
		"several at a time":  {[]instantretry.Option{instantretry.Retries(-1), instantretry.Delay(-1)}, "Delay is -1ns"},
		"several, the other": {[]instantretry.Option{instantretry.Retries(-1), instantretry.Delay(-1)}, "Retries is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stack.New(instantretry.New(tc.opts...)).Then(newScript(nil))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// Outside ack the first try would settle, outside retry or catch nothing would seem to fail.
func TestStackRefusesInstantRetryOutsideAckRetryOrCatch(t *testing.T) {
	t.Parallel()
	for _, inner := range []processor.Middleware{ack.New(), retry.New(&processortest.Publisher{}, "r_%attempt%"), catch.New()} {
		_, err := stack.New(instantretry.New(), inner).Then(newScript(nil))
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

func TestSettingsIncludeDefaults(t *testing.T) {
	t.Parallel()
	settings := func(opts ...instantretry.Option) string {
		return fmt.Sprint(build(t, newScript(nil), opts...).Describe().Layers[0].Settings)
	}
	require.Equal(t, "[{retries 2} {delay 2s} {double up to off}]", settings())
	require.Equal(t, "[{retries 2} {delay 2s} {double up to 4s} {if by a function}]",
		settings(instantretry.DoubleUpTo(4*time.Second), instantretry.If(func(error) bool { return true })))
}

func ExampleNew() {
	calls := 0
	pipeline, err := stack.New(instantretry.New(
		instantretry.Retries(4),
		instantretry.Delay(time.Millisecond),
		instantretry.DoubleUpTo(10*time.Millisecond),
	)).ThenFunc(func(context.Context, processor.Message) error {
		if calls++; calls < 3 {
			return errors.New("deadlock found")
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(pipeline.Process(context.Background(), processortest.NewMessage()), calls)
	// Output: <nil> 3
}

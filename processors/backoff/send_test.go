package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
)

// answering is a publisher that answers by the queue of a copy, and records its calls.
type answering struct {
	answer func(to string, e processor.Envelope) error
	asked  []processortest.Publishing
}

func (a *answering) Publish(_ context.Context, to processor.Destination, e processor.Envelope) error {
	e.Headers = e.Headers.Clone()
	a.asked = append(a.asked, processortest.Publishing{To: to, Envelope: e})
	return a.answer(to.RoutingKey, e)
}

// process runs a message that fails through ack and backoff.
func process(t *testing.T, ctx context.Context, pub processor.Publisher, msg processor.Message, opts ...backoff.Option) error {
	t.Helper()
	var r recorder
	opts = append([]backoff.Option{backoff.Strategy(r.strategy), backoff.Jitter(0)}, opts...)
	p, err := stack.New(ack.New(), backoff.New(pub, "mail", opts...)).
		ThenFunc(func(context.Context, processor.Message) error { return errMail })
	require.NoError(t, err)
	return p.Process(ctx, msg)
}

func settledAs(t *testing.T, msg *processortest.Message, want processortest.Settlement) {
	t.Helper()
	if want == "" { // the consumer releases it
		require.Empty(t, msg.Settlements())
		return
	}
	require.Equal(t, []processortest.Settlement{want}, msg.Settlements())
}

// Without a copy on the broker the message is requeued, whatever else is set.
func TestAFailedRepublishGivesTheMessageBack(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{
		processor.ErrUnroutable, processor.ErrRefused, processor.ErrIndeterminate, processor.ErrBlocked,
		processor.ErrTooLarge, processor.ErrHeaderType, processor.ErrClosed, errors.New("anything"),
		// A decision in the publisher's error does not apply to our message.
		processor.Drop(errors.New("dropped")), processor.Reject(errors.New("rejected")), processor.ErrStop, backoff.ErrAgain,
	} {
		for _, opts := range [][]backoff.Option{{}, {backoff.Park(parked)}} {
			for _, count := range []int{0, 20} { // a retry, and the parked copy
				var pub processortest.Publisher
				pub.FailWith(failure)
				msg := message(retries(count))
				err := process(t, t.Context(), &pub, msg, append(opts, backoff.KeepTrying(0))...)
				require.ErrorIs(t, err, errMail, "the handler's error is kept")
				if count == 20 && len(opts) == 0 {
					continue // nothing is published
				}
				require.ErrorIs(t, err, failure)
				require.False(t, processor.Decide(err).Stop)
				if errors.Is(failure, processor.ErrTooLarge) || errors.Is(failure, processor.ErrHeaderType) {
					settledAs(t, msg, "")
					continue
				}
				settledAs(t, msg, processortest.Requeued)
			}
		}
	}
}

// It has retries left: a full delay queue is no reason to park it.
func TestACopyThatWasNotSentIsNotParkedInstead(t *testing.T) {
	t.Parallel()
	pub := &answering{answer: func(to string, _ processor.Envelope) error {
		if to == "mail" {
			return processor.ErrRefused
		}
		return nil
	}}
	msg := message()
	require.ErrorIs(t, process(t, t.Context(), pub, msg, backoff.Park(parked), backoff.KeepTrying(0)), processor.ErrRefused)
	settledAs(t, msg, processortest.Requeued)
	require.Len(t, pub.asked, 1)
}

func TestTheErrorOfACopyThatWasNotSentSaysWhichRetryItWas(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{
		20:                "backoff: the copy for retry 4 of 20 in 5s, to queue \"mail\", was not sent: the broker refused the message; the message had failed with: mail server says no",
		processor.NoLimit: "backoff: the copy for retry 4 in 5s, to queue \"mail\", was not sent: the broker refused the message; the message had failed with: mail server says no",
	} {
		f := newFixture(t, errMail, backoff.Retries(limit))
		f.pub.FailWith(processor.ErrRefused)
		when := regexp.MustCompile(`, at \S+Z,`)
		text := f.process(t, retries(3)).Error()
		require.Regexp(t, when, text)
		require.Equal(t, want, when.ReplaceAllString(text, ","))
	}
}

func TestACopyIsTriedAgainForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		pub := &answering{answer: func(string, processor.Envelope) error { tries++; return processor.ErrRefused }}
		start := time.Now()
		msg := message()
		require.ErrorIs(t, process(t, t.Context(), pub, msg), processor.ErrRefused)
		require.Equal(t, backoff.DefaultKeepTrying, time.Since(start))
		settledAs(t, msg, processortest.Requeued)
		require.Greater(t, tries, 5)

		start, tries = time.Now(), 0
		pub.answer = func(string, processor.Envelope) error {
			if tries++; tries < 5 {
				return processor.ErrBlocked
			}
			return nil
		}
		var ev backoff.Event
		msg = message()
		require.NoError(t, process(t, t.Context(), pub, msg, backoff.OnBackoff(func(_ context.Context, e backoff.Event) { ev = e })))
		settledAs(t, msg, processortest.Acked)
		require.Positive(t, time.Since(start))
		require.Equal(t, time.Now().Add(time.Second), ev.Next, "its delay begins with the copy that was taken")
	})
}

// If requeued it would be a poison message, redelivered without end.
func TestACopyThatCanNeverBeSentIsParked(t *testing.T) {
	t.Parallel()
	pub := &answering{answer: func(to string, _ processor.Envelope) error {
		if to != "mail_parked" {
			return processor.ErrTooLarge
		}
		return nil
	}}
	var told []backoff.Event
	msg := message(processortest.Header("app", int64(1)), retries(4))
	err := process(t, t.Context(), pub, msg, backoff.Park(parked),
		backoff.OnBackoff(func(_ context.Context, e backoff.Event) { told = append(told, e) }))
	settledAs(t, msg, processortest.Acked)
	require.Equal(t, processor.Dropped, processor.Decide(err).Action, "acked, and somebody sees why")
	require.ErrorIs(t, err, processor.ErrTooLarge)
	require.ErrorIs(t, err, errMail)
	require.ErrorContains(t, err, "the copy for retry 5 of 20 in 8s")
	require.Len(t, pub.asked, 2)
	h := pub.asked[1].Envelope.Headers
	require.Equal(t, int64(4), h[backoff.HeaderBackoffs])
	require.Equal(t, int64(5), h["warren-failures"])
	require.Contains(t, h["warren-error"], "retry 5 of 20")
	require.Len(t, told, 1)
	require.True(t, told[0].Parked)
	require.Equal(t, 4, told[0].Attempt)
}

func TestACopyThatCanBeParkedOnlyAsItCameIs(t *testing.T) {
	t.Parallel()
	pub := &answering{answer: func(_ string, e processor.Envelope) error {
		if len(e.Headers) > 1 {
			return processor.ErrHeaderType
		}
		return nil
	}}
	msg := message(processortest.Header("app", int64(1)))
	err := process(t, t.Context(), pub, msg, backoff.Park(parked))
	settledAs(t, msg, processortest.Acked)
	require.ErrorIs(t, err, processor.ErrHeaderType)
	require.Len(t, pub.asked, 3)
	require.Equal(t, processor.Headers{"app": int64(1)}, pub.asked[2].Envelope.Headers)
}

func TestACopyThatCannotEvenBeParkedGoesBack(t *testing.T) {
	t.Parallel()
	pub := &answering{answer: func(string, processor.Envelope) error { return processor.ErrTooLarge }}
	msg := message()
	err := process(t, t.Context(), pub, msg, backoff.Park(parked))
	require.ErrorIs(t, err, processor.ErrTooLarge)
	require.ErrorIs(t, err, errMail)
	require.Len(t, pub.asked, 3)
	require.Equal(t, processor.Released, processor.Decide(err).Action, "which uses up no delivery limit on 4.3")
	settledAs(t, msg, "")
}

// It waits for the longest delay, and the log shows why.
func TestADelayThatIsTooLong(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{
		"asked for": processor.RetryAfter(errMail, time.Hour),
		"computed":  errMail,
		"stop":      processor.Stop(errMail),
		"typed nil": processor.RetryAfter((*fs.PathError)(nil), time.Hour),
	} {
		for _, opts := range [][]backoff.Option{{}, {backoff.Park(parked)}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var told []backoff.Event
					f := newFixture(t, result, append(opts, backoff.KeepTrying(time.Minute),
						backoff.Schedule(backoff.Func(func(int, processor.Message) time.Duration { return 2 * time.Hour })),
						backoff.OnBackoff(func(_ context.Context, e backoff.Event) { told = append(told, e) }))...)
					f.delays.longest = 10 * time.Second
					start := time.Now()
					err := f.process(t, retries(2))
					require.Zero(t, time.Since(start), "it is not tried again")
					require.Equal(t, []string{"mail"}, f.keys())
					require.Equal(t, []time.Duration{10 * time.Second}, f.delays.delays)
					require.Equal(t, processor.Decision{Action: processor.Dropped, Stop: name == "stop"}, processor.Decide(err))
					require.ErrorIs(t, err, delay.ErrTooLong)
					require.True(t, name == "typed nil" || errors.Is(err, errMail))
					require.Len(t, told, 1)
					require.Equal(t, 10*time.Second, told[0].Delay)
					require.Equal(t, time.Now().Add(10*time.Second), told[0].Next)
					require.ErrorIs(t, told[0].Err, delay.ErrTooLong)
					require.Equal(t, int64(3), f.last(t).Headers[backoff.HeaderBackoffs])
				})
			})
		}
	}
	f := newFixture(t, processor.RetryAfter(errMail, time.Hour))
	f.delays.longest = 10 * time.Second
	var long *delay.TooLongError
	require.ErrorAs(t, f.process(t), &long)
	require.Equal(t, 10*time.Second, long.Longest)
	require.EqualError(t, f.process(t), "backoff: retry 1 of 20 in 10s instead of 1h0m0s: "+
		"delay: the delay is longer than the longest there is: 1h0m0s asked for, 10s is the longest; delay.Ladder has all delays; the message had failed with: mail server says no")
}

func TestACopyWithATooLongDelayThatIsNotSentGoesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, processor.RetryAfter(errMail, time.Hour))
	f.delays.longest = 10 * time.Second
	f.pub.FailWith(processor.ErrRefused)
	err := f.process(t)
	require.Equal(t, processor.Requeued, processor.Decide(err).Action)
	for _, target := range []error{delay.ErrTooLong, processor.ErrRefused, errMail} {
		require.ErrorIs(t, err, target)
	}
}

// liar reports certain delays as too long, but longer ones not.
type liar struct {
	recorder
	lies int
}

func (l *liar) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error {
	if l.lies--; l.lies >= 0 {
		return fmt.Errorf("liar: %w", &delay.TooLongError{Asked: d, Longest: 2 * d})
	}
	return l.recorder.Delay(ctx, p, e, d)
}

func TestAStrategyThatContradictsItselfLosesNothing(t *testing.T) {
	t.Parallel()
	for lies, settled := range map[int]processortest.Settlement{1: processortest.Acked, 2: processortest.Requeued} {
		l := &liar{lies: lies}
		msg := message()
		err := process(t, t.Context(), &processortest.Publisher{}, msg, backoff.KeepTrying(0),
			backoff.Strategy(func(string, []time.Duration) (delay.Delayer, error) { return l, nil }))
		require.ErrorIs(t, err, delay.ErrTooLong)
		require.ErrorIs(t, err, errMail)
		settledAs(t, msg, settled)
		if lies == 1 {
			require.Equal(t, []time.Duration{time.Second}, l.delays, "no longer than it was asked for")
		}
	}
}

func TestTryingAgainEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		pub := &answering{answer: func(string, processor.Envelope) error { return processor.ErrBlocked }}
		msg := message()
		start := time.Now()
		err := process(t, ctx, pub, msg, backoff.KeepTrying(time.Hour))
		require.Equal(t, 7*time.Second, time.Since(start))
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.ErrorIs(t, err, errMail)
		settledAs(t, msg, processortest.Requeued)
	})
}

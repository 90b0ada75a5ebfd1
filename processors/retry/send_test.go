package retry_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// attempt is one publish to a fake broker.
type attempt struct {
	at      time.Duration
	to      string
	headers processor.Headers
}

// recorder is a publisher that answers by a function of the publish.
type recorder struct {
	start    time.Time
	attempts []attempt
	answer   func(ctx context.Context, a attempt) error
}

func newRecorder(answer func(context.Context, attempt) error) *recorder {
	return &recorder{start: time.Now(), answer: answer}
}

func (r *recorder) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	a := attempt{time.Since(r.start), to.RoutingKey, e.Headers}
	r.attempts = append(r.attempts, a)
	return r.answer(ctx, a)
}

// process runs a message that fails through ack and retry.
func process(t *testing.T, ctx context.Context, pub processor.Publisher, msg processor.Message, opts ...retry.Option) error {
	t.Helper()
	p, err := stack.New(ack.New(), retry.New(pub, "mail_retry_%attempt%", opts...)).ThenFunc(fails)
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

func TestAFailedRepublishIsTriedAgainAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pub := newRecorder(func(context.Context, attempt) error { return processor.ErrRefused })
		msg := processortest.NewMessage()
		require.ErrorIs(t, process(t, t.Context(), pub, msg), processor.ErrRefused)
		settledAs(t, msg, processortest.Requeued)

		nominal := 100 * time.Millisecond
		last := len(pub.attempts) - 1
		for i := 1; i < last; i++ {
			gap := pub.attempts[i].at - pub.attempts[i-1].at
			require.GreaterOrEqual(t, gap, nominal/2)
			require.LessOrEqual(t, gap, nominal)
			nominal = min(2*nominal, 5*time.Second)
		}
		require.Equal(t, retry.DefaultKeepTrying, pub.attempts[last].at, "a last try when the time is up")
		require.Less(t, last, 20)
	})
}

func TestARepublishThatSucceedsLaterIsARetryLikeAnyOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(t.Context())) }()
		time.AfterFunc(10*time.Second, func() {
			if b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail_retry_1"}}}) != nil {
				t.Error("declare")
			}
		})
		msg := processortest.NewMessage()
		require.NoError(t, process(t, t.Context(), b.Publisher(), msg))
		settledAs(t, msg, processortest.Acked)
		n, err := b.Ready(t.Context(), "mail_retry_1")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// On a quorum queue with a delivery limit and no dead-letter exchange this decides how long a retry
// queue may be full or missing: 20 rounds at 5 s are under two minutes.
func TestAMissingRetryQueueCostsFewDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: work}}}))
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{}))
		p, err := stack.New(ack.New(), retry.New(b.Publisher(), "missing_%attempt%")).ThenFunc(fails)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		c := must.Have(consumer.New(b.Source(work), p, consumer.Logger(quiet)))
		require.NoError(t, c.Run(ctx))
		require.LessOrEqual(t, c.Stats().Received, uint64(40))
		n, err := b.Ready(t.Context(), work)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestTryingAgainEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		pub := newRecorder(func(context.Context, attempt) error { return processor.ErrBlocked })
		msg := processortest.NewMessage()
		start := time.Now()
		err := process(t, ctx, pub, msg, retry.KeepTrying(time.Hour))
		require.Equal(t, 7*time.Second, time.Since(start))
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.ErrorIs(t, err, errMail)
		settledAs(t, msg, processortest.Requeued)
	})
}

func TestWhatCannotSucceedIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		failure error
		opts    []retry.Option
		settled processortest.Settlement
	}{
		"too large":     {processor.ErrTooLarge, nil, ""},
		"header type":   {fmt.Errorf("broker: %w", processor.ErrHeaderType), nil, ""},
		"closed":        {processor.ErrClosed, nil, processortest.Requeued},
		"not asked for": {processor.ErrRefused, []retry.Option{retry.KeepTrying(0)}, processortest.Requeued},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pub := newRecorder(func(context.Context, attempt) error { return tc.failure })
				msg := processortest.NewMessage()
				start := time.Now()
				require.ErrorIs(t, process(t, t.Context(), pub, msg, tc.opts...), tc.failure)
				require.Zero(t, time.Since(start))
				require.Len(t, pub.attempts, 1)
				settledAs(t, msg, tc.settled)
			})
		})
	}
}

// If requeued it would be a poison message, redelivered without end.
func TestACopyThatCanNeverBeSentIsParked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		refuses func(attempt) error
		keys    []string
		headers []string // of the parked copy
	}{
		"the retry": {
			func(a attempt) error {
				if a.to != parked {
					return processor.ErrTooLarge
				}
				return nil
			},
			[]string{"mail_retry_1", parked},
			[]string{"app", "swarrot_retry_attempts", "warren-error", "warren-error-type", "warren-failed-at", "warren-failures", "warren-first-failed-at", "warren-host", "warren-original-exchange", "warren-original-queue", "warren-original-routing-key"},
		},
		"the parked copy too": {
			func(a attempt) error {
				if len(a.headers) > 1 {
					return processor.ErrHeaderType
				}
				return nil
			},
			[]string{"mail_retry_1", parked, parked},
			[]string{"app"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pub := newRecorder(func(_ context.Context, a attempt) error { return tc.refuses(a) })
			var told []retry.Event
			msg := processortest.NewMessage(processortest.Header("app", int64(1)))
			err := process(t, t.Context(), pub, msg, retry.ParkKey(parked),
				retry.OnRepublish(func(_ context.Context, e retry.Event) { told = append(told, e) }))
			settledAs(t, msg, processortest.Acked)
			failure := tc.refuses(pub.attempts[0])
			require.Equal(t, processor.Dropped, processor.Decide(err).Action, "acked, and somebody sees why")
			require.ErrorIs(t, err, failure)
			require.ErrorIs(t, err, errMail)
			require.ErrorContains(t, err, `the copy for queue "mail_retry_1" (default exchange) was not sent`)

			var keys []string
			for _, a := range pub.attempts {
				keys = append(keys, a.to)
			}
			require.Equal(t, tc.keys, keys)
			copied := pub.attempts[len(pub.attempts)-1].headers
			require.Len(t, copied, len(tc.headers))
			for _, name := range tc.headers {
				require.Contains(t, copied, name)
			}
			require.Len(t, told, 1)
			require.True(t, told[0].Parked)
			require.Equal(t, 0, told[0].Attempt)
			require.ErrorIs(t, told[0].Err, failure)
			require.ErrorIs(t, told[0].Err, errMail)
			if text, ok := copied.String("warren-error"); ok {
				require.Contains(t, text, failure.Error())
				require.Contains(t, text, errMail.Error())
				require.Equal(t, "*errors.errorString", copied["warren-error-type"])
			}
		})
	}
}

func TestACopyThatCannotEvenBeParkedGoesBack(t *testing.T) {
	t.Parallel()
	pub := newRecorder(func(context.Context, attempt) error { return processor.ErrTooLarge })
	msg := processortest.NewMessage()
	err := process(t, t.Context(), pub, msg, retry.ParkKey(parked))
	require.ErrorIs(t, err, processor.ErrTooLarge)
	require.ErrorIs(t, err, errMail)
	require.Len(t, pub.attempts, 3)
	require.Equal(t, processor.Released, processor.Decide(err).Action, "which uses up no delivery limit on 4.3")
	settledAs(t, msg, "")
}

// On a broker: a key function makes a sender's value into a key that is too long.
func TestAKeyThatIsTooLongParksTheMessage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	long := func(int, processor.Message) string { return strings.Repeat("k", 300) }
	p, err := stack.New(ack.New(), retry.New(o.Publisher(), "", retry.Keys(long), retry.ParkKey(parked))).ThenFunc(fails)
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), o.next(t)), processor.ErrTooLarge)
	o.crash(t)
	o.holds(t, map[string]int{work: 0, parked: 1})
}

// On a broker: headers that just fit, without ours.
func TestHeadersAtTheLimitAreParkedAsTheyCame(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	require.NoError(t, o.next(t).Ack())
	size := 140_000
	for { // the largest that the broker takes
		e := processor.Envelope{Headers: processor.Headers{"h": strings.Repeat("x", size)}}
		err := o.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, e)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, processor.ErrTooLarge)
		size -= 10
	}
	p, err := stack.New(ack.New(),
		retry.New(o.Publisher(), "mail_retry_%attempt%", retry.Retries(1), retry.ParkKey(parked))).ThenFunc(fails)
	require.NoError(t, err)
	err = p.Process(t.Context(), o.next(t))
	require.ErrorIs(t, err, processor.ErrTooLarge)
	require.Equal(t, processor.Dropped, processor.Decide(err).Action)
	o.crash(t)
	o.holds(t, map[string]int{work: 0, wait: 0, parked: 1})
}

func TestAMessageThatTheHandlerSettledIsNotRepublished(t *testing.T) {
	t.Parallel()
	for _, result := range []error{errMail, processor.Reject(errMail)} {
		o := newOffice(t)
		p, err := stack.New(ack.New(),
			retry.New(o.Publisher(), "mail_retry_%attempt%", retry.ParkKey(parked))).
			ThenFunc(func(_ context.Context, msg processor.Message) error { return errors.Join(msg.Nack(true), result) })
		require.NoError(t, err)
		err = p.Process(t.Context(), o.next(t))
		require.ErrorIs(t, err, processor.ErrSettled)
		require.ErrorIs(t, err, errMail)
		require.Equal(t, processor.Decide(result), processor.Decide(err))
		o.crash(t)
		o.holds(t, map[string]int{work: 1, wait: 0, parked: 0})
	}
}

// The broker adds to the headers of a copy that it dead-letters. Over the largest frame it would
// end the connection of its consumer, again and again.
func TestACopyThatWouldNotFitWhenItComesBackIsParked(t *testing.T) {
	t.Parallel()
	const frame = 128 << 10
	for name, opts := range map[string][]retry.Option{
		"default exchange": nil,
		"an exchange":      {retry.Exchange(strings.Repeat("x", 255))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// try returns the last copy of a message with a header of n bytes, and its key.
			try := func(n int, opts ...retry.Option) (attempt, error) {
				pub := newRecorder(func(context.Context, attempt) error { return nil })
				msg := processortest.NewMessage(processortest.Header("big", strings.Repeat("b", n)))
				err := process(t, t.Context(), pub, msg, opts...)
				if len(pub.attempts) == 0 {
					settledAs(t, msg, "")
					return attempt{}, err
				}
				require.Len(t, pub.attempts, 1)
				settledAs(t, msg, processortest.Acked)
				return pub.attempts[0], err
			}
			parks := append([]retry.Option{retry.ParkKey(parked)}, opts...)
			most := sort.Search(frame, func(n int) bool {
				a, _ := try(n+1, parks...)
				return a.to == parked
			})
			a, err := try(most, parks...)
			require.NoError(t, err)
			require.Equal(t, "mail_retry_1", a.to)
			sent, room := processor.Envelope{Headers: a.headers}, 400
			if opts != nil {
				room += 4 * 255 // the exchange three times, and a queue
			}
			require.NoError(t, broker.FitsFrame(sent, frame-room))
			require.Error(t, broker.FitsFrame(sent, frame-3*room), "no more is parked than has to be")

			a, err = try(most+1, parks...)
			require.ErrorIs(t, err, processor.ErrTooLarge)
			require.ErrorIs(t, err, errMail)
			require.ErrorContains(t, err, "hops: 1")
			require.Contains(t, a.headers, "warren-error")

			_, err = try(most+1, opts...)
			require.ErrorIs(t, err, processor.ErrTooLarge, "without a park key it goes back to its queue")
		})
	}
}

package backoff_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/retry"
)

// remember records the delays of all retries.
func remember(delays *[]time.Duration) func(context.Context, backoff.Event) {
	return func(_ context.Context, e backoff.Event) {
		if !e.Parked {
			*delays = append(*delays, e.Delay)
		}
	}
}

func TestAScheduleOfADayTakesNoTimeToTest(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]backoff.Option{
		"steps":  {backoff.Jitter(0)},
		"ladder": {backoff.Jitter(0), backoff.Strategy(delay.Ladder())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			synctest.Test(t, func(t *testing.T) {
				p := newPost(t, inTurn(slices.Repeat([]error{errMail}, 3)...), append(opts, backoff.Schedule(backoff.List(time.Minute, 24*time.Hour)))...)
				require.NoError(t, p.deliver(t, 4))
				require.Equal(t, []time.Duration{time.Minute, 24 * time.Hour, 24 * time.Hour}, p.gaps())
				p.ends(t, processed)
			})
			require.Less(t, time.Since(start), 10*time.Second, "some milliseconds, on a machine that has nothing else to do")
		})
	}
}

func TestWhatKeepsFailingIsParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, always(errMail), backoff.Schedule(backoff.List(30*time.Second, 3*time.Minute)), backoff.Jitter(0), backoff.Retries(5), backoff.Park(parked))
		require.NoError(t, p.deliver(t, 6))
		m := 3 * time.Minute
		require.Equal(t, []time.Duration{30 * time.Second, m, m, m, m}, p.gaps())
		p.ends(t, inParked)

		sub, err := p.Source("mail_parked").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		msg, err := sub.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "1", msg.Properties().ID)
		require.Equal(t, []byte("hello"), msg.Body())
		require.Equal(t, "backoff: expired after 5 retries in 12m30s: mail server says no", msg.Headers()["warren-error"])
		require.Equal(t, int64(6), msg.Headers()["warren-failures"])
		require.NotContains(t, msg.Headers(), "x-death")
		require.Equal(t, processor.Origin{Queue: "mail_parked", RoutingKey: "mail"}, backoff.FirstOrigin(msg))
	})
}

func TestTwoPolicies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, inTurn(errBusy, errOther, errBusy, errMail),
			backoff.Schedule(backoff.List(time.Minute, 2*time.Minute)), backoff.Jitter(0),
			backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Second)), backoff.Retries(processor.NoLimit)),
			backoff.Policy(backoff.For(errOther), backoff.Schedule(backoff.List(time.Hour, 2*time.Hour))))
		require.NoError(t, p.deliver(t, 5))
		require.Equal(t, []time.Duration{time.Second, time.Hour, time.Second, time.Minute}, p.gaps(), "each begins with its own first")
		p.ends(t, processed)
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration) error { return processor.RetryAfter(errMail, d) }
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, inTurn(after(7*time.Second), errMail, after(250*ms), after(36*time.Hour)),
			backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Jitter(0), backoff.Strategy(delay.Ladder()))
		require.NoError(t, p.deliver(t, 5))
		require.Equal(t, []time.Duration{7 * time.Second, time.Minute, 300 * ms, 36 * time.Hour}, p.gaps(), "in whole units")
		p.ends(t, processed)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, inTurn(after(7*time.Second), after(2*time.Minute)),
			backoff.Schedule(backoff.List(time.Second, 30*time.Second, time.Minute)), backoff.Jitter(0))
		require.NoError(t, p.deliver(t, 1))
		require.ErrorIs(t, p.deliver(t, 1), delay.ErrTooLong)
		require.NoError(t, p.deliver(t, 1))
		require.Equal(t, []time.Duration{30 * time.Second, time.Minute}, p.gaps(), "the shortest step that is long enough, or the longest")
		p.ends(t, processed)
	})
}

// The process ends while the message waits: the delay goes on, and so does the count.
func TestARestartInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := []backoff.Option{backoff.Schedule(backoff.List(time.Minute, time.Hour)), backoff.Jitter(0), backoff.Retries(2), backoff.Park(parked)}
		p := newPost(t, always(errMail), opts...)
		require.NoError(t, p.deliver(t, 1))
		require.NoError(t, p.sub.Close(t.Context()))
		p.sub = nil
		time.Sleep(30 * time.Second)
		p.restart(t, always(errMail), backoff.New(p.Publisher(), "mail", opts...))
		require.NoError(t, p.deliver(t, 1))
		require.NoError(t, p.sub.Close(t.Context()))
		p.sub = nil
		time.Sleep(2 * time.Hour)
		p.restart(t, always(errMail), backoff.New(p.Publisher(), "mail", opts...))
		require.NoError(t, p.deliver(t, 1))
		require.Equal(t, []time.Duration{0, time.Minute, 2*time.Hour + time.Minute}, p.at, "the last was due while nobody was there")
		p.ends(t, inParked)
	})
}

// The process dies after the copy was confirmed, before the original is acked.
func TestACrashBetweenConfirmAndAckIsADuplicateNeverALoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := []backoff.Option{backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Jitter(0)}
		p := newPost(t, inTurn(errMail), opts...)
		dying := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
			return errors.Join(p.Publisher().Publish(ctx, to, e), p.sub.Close(context.WithoutCancel(ctx)))
		})
		p.restart(t, inTurn(errMail), backoff.New(dying, "mail", opts...))
		require.NoError(t, p.deliver(t, 1), "a stale ack is no error of the stack")
		p.restart(t, always(nil), backoff.New(p.Publisher(), "mail", opts...))
		require.NoError(t, p.deliver(t, 2))
		require.Equal(t, []time.Duration{0, 0, time.Minute}, p.at)
		p.ends(t, processed)
	})
}

// Each has its own count: busy errors are delayed, any others retried by key.
func TestBackoffInsideRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := []backoff.Option{backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Jitter(0), backoff.Retries(2)}
		p := newPost(t, always(nil), opts...)
		require.NoError(t, p.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: "mail_retry_1", MessageTTL: time.Hour, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
			{Name: "mail_retry_2", MessageTTL: 2 * time.Hour, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
		}}))
		p.restart(t, inTurn(errBusy, errMail, errBusy, errMail, errMail),
			retry.New(p.Publisher(), "mail_retry_%attempt%", retry.Retries(2), retry.ParkKey("mail_parked")),
			backoff.New(p.Publisher(), "mail", opts...))
		require.NoError(t, p.deliver(t, 5))
		require.Equal(t, []time.Duration{time.Minute, time.Hour, time.Minute, 2 * time.Hour}, p.gaps())
		p.ends(t, inParked)
	})
}

// A message that has used up its delays is retried by key, and is not delayed again.
func TestWhatIsExpiredIsRetriedByKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := []backoff.Option{backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Jitter(0), backoff.Retries(2)}
		p := newPost(t, always(nil), opts...)
		require.NoError(t, p.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: "mail_retry_1", MessageTTL: time.Hour, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
		}}))
		p.restart(t, always(errMail),
			retry.New(p.Publisher(), "mail_retry_%attempt%", retry.Retries(1), retry.ParkKey("mail_parked")),
			backoff.New(p.Publisher(), "mail", opts...))
		require.NoError(t, p.deliver(t, 4))
		require.Equal(t, []time.Duration{time.Minute, time.Minute, time.Hour}, p.gaps())
		p.ends(t, inParked)
	})
}

// The delays were never declared.
func TestMissingDelaysKeepTheMessageWhereItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]backoff.Option{{}, {backoff.Jitter(0)}} {
			b := memory.New()
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
			p, err := stack.New(ack.New(), backoff.New(b.Publisher(), "mail", opts...)).Then(always(errMail))
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(quiet)))
			require.NoError(t, c.Run(ctx))
			cancel()
			require.LessOrEqual(t, c.Stats().Received, uint64(40), "each delivery counts toward the limit of a quorum queue")
			n, err := b.Ready(t.Context(), "mail")
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.NoError(t, b.Close(t.Context()))
		}
	})
}

// Many at once, through the consumer: each is processed once it succeeds, and none is lost.
func TestAConsumerProcessesWhatComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const messages, failures = 200, 3
		opts := []backoff.Option{backoff.Schedule(backoff.Exponential(time.Second, time.Minute))}
		p := newPost(t, always(nil), opts...)
		require.NoError(t, p.deliver(t, 1)) // its own
		require.NoError(t, p.sub.Close(t.Context()))
		for i := range messages {
			require.NoError(t, p.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte{byte(i)}}))
		}
		done := make(chan byte, 2*messages)
		pipeline, err := stack.New(ack.New(), backoff.New(p.Publisher(), "mail", opts...)).
			ThenFunc(func(_ context.Context, msg processor.Message) error {
				if n, _ := msg.Headers().Int64(backoff.HeaderBackoffs); n < failures {
					return errMail
				}
				done <- msg.Body()[0]
				return nil
			})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, must.Have(consumer.New(p.Source("mail"), pipeline, consumer.Workers(8), consumer.Logger(quiet))).Run(ctx))
		seen := map[byte]int{}
		for range len(done) {
			seen[<-done]++
		}
		require.Len(t, seen, messages)
		for _, n := range seen {
			require.Equal(t, 1, n)
		}
	})
}

// With a wrong name the broker dropped delayed messages, or put them into a lost queue.
func TestTheNameOfAnotherQueueKeepsTheMessageWhereItIs(t *testing.T) {
	t.Parallel()
	var pub processortest.Publisher
	p, err := stack.New(ack.New(), backoff.New(&pub, "mial")).Then(always(errMail))
	require.NoError(t, err)
	msg := message()
	err = p.Process(t.Context(), msg)
	require.ErrorIs(t, err, errMail)
	require.ErrorContains(t, err, `from the queue "mail", and what is delayed comes to "mial"`)
	require.Equal(t, processor.Requeued, processor.Decide(err).Action)
	require.Empty(t, pub.Published())
}

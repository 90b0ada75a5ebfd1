package redelivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
)

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	rabbitmqtest.Main(m)
}

var (
	errMail = errors.New("mail server says no")
	quiet   = slog.New(slog.DiscardHandler)
)

const (
	work   = "mail"
	parked = "mail_parked"
)

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:     func(testing.TB) processor.Middleware { return redelivery.New(&processortest.Publisher{}, parked) },
		Absorbs: true, // a rejected message
	})
}

func TestConformanceOfTheLastAttempt(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return redelivery.New(&processortest.Publisher{}, parked, redelivery.Retries(0))
		},
		Absorbs: true,
	})
}

func TestConformanceWhileParkingFails(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			pub := &processortest.Publisher{}
			pub.FailWith(processor.ErrRefused)
			return redelivery.New(pub, parked, redelivery.Retries(0), redelivery.KeepTrying(0))
		},
		RepublishFails: true,
	})
}

// again is a message that has failed n times, as the queue counts.
func again(n any) *processortest.Message {
	return processortest.NewMessage(
		processortest.Header(redelivery.HeaderDeliveries, n),
		processortest.Origin(processor.Origin{Queue: work, RoutingKey: work, Redelivered: true}))
}

// process runs a handler that returns err, in the stack.
func process(t *testing.T, pub processor.Publisher, msg processor.Message, err error, opts ...redelivery.Option) error {
	t.Helper()
	p, problem := stack.New(ack.New(), redelivery.New(pub, parked, opts...), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error { return err })
	require.NoError(t, problem)
	return p.Process(t.Context(), msg)
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	errOther := errors.New("other")
	for name, tc := range map[string]struct {
		count   any
		err     error
		settled processortest.Settlement
		parked  int
	}{
		"first failure":              {nil, errMail, processortest.Requeued, 0},
		"second failure":             {int64(1), errMail, processortest.Requeued, 0},
		"last failure":               {int64(3), errMail, processortest.Acked, 1},
		"after the last":             {int64(7), errMail, processortest.Acked, 1},
		"a delay is a failure":       {nil, processor.RetryAfter(errMail, time.Hour), processortest.Requeued, 0},
		"stop, and it is tried":      {nil, processor.Stop(errMail), processortest.Requeued, 0},
		"stop, and it is parked":     {int64(3), processor.Stop(errMail), processortest.Acked, 1},
		"rejected":                   {nil, processor.Reject(errMail), processortest.Acked, 1},
		"not for the filter":         {nil, errOther, processortest.Acked, 1},
		"requeued":                   {int64(7), processor.Requeue(errMail), processortest.Requeued, 0},
		"dropped":                    {nil, processor.Drop(errMail), processortest.Acked, 0},
		"succeeds at the last":       {int64(3), nil, processortest.Acked, 0},
		"a negative count":           {int64(-5), errMail, processortest.Requeued, 0},
		"no number":                  {"many", errMail, processortest.Requeued, 0},
		"the largest number":         {int64(math.MaxInt64), errMail, processortest.Acked, 1},
		"the smallest number":        {int64(math.MinInt64), errMail, processortest.Requeued, 0},
		"a number that is text":      {"3", errMail, processortest.Acked, 1},
		"a float, which no queue is": {3.0, errMail, processortest.Requeued, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pub, msg := &processortest.Publisher{}, again(tc.count)
			err := process(t, pub, msg, tc.err, redelivery.Retries(3), redelivery.If(func(err error) bool { return errors.Is(err, errMail) }))
			require.Equal(t, []processortest.Settlement{tc.settled}, msg.Settlements())
			require.Len(t, pub.Published(), tc.parked)
			require.Equal(t, processor.Decide(tc.err).Stop, processor.Decide(err).Stop)
			if tc.settled == processortest.Requeued {
				require.ErrorIs(t, err, tc.err)
			}
		})
	}
}

func TestWhatWasNotBegunIsLeftToTheConsumer(t *testing.T) {
	t.Parallel()
	pub, msg := &processortest.Publisher{}, again(int64(100))
	require.ErrorIs(t, process(t, pub, msg, processor.Release(errMail)), errMail)
	require.Empty(t, msg.Settlements())
	require.Empty(t, pub.Published())
}

func TestWhatWasCutShortIsNotParked(t *testing.T) {
	t.Parallel()
	pub, msg := &processortest.Publisher{}, again(int64(100))
	p, err := stack.New(ack.New(), redelivery.New(pub, parked)).
		ThenFunc(func(ctx context.Context, _ processor.Message) error { return ctx.Err() })
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(processor.ErrShutdown)
	require.Error(t, p.Process(ctx, msg))
	require.Empty(t, msg.Settlements(), "the consumer gives it back untouched")
	require.Empty(t, pub.Published())
}

// RabbitMQ shows a sender's count until the queue has one of its own.
func TestASenderCannotEndTheRetriesOfAFreshMessage(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	msg := processortest.NewMessage(processortest.Header(redelivery.HeaderDeliveries, int64(1000)))
	require.Error(t, process(t, pub, msg, errMail))
	require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
	require.Empty(t, pub.Published())
}

func TestTheErrorSaysWhenItIsTriedAgain(t *testing.T) {
	t.Parallel()
	for count, want := range map[int64]string{0: "retry 1 of 5 in 1s: mail", 1: "retry 2 of 5 in 2s", 3: "retry 4 of 5 in 3s"} {
		err := process(t, &processortest.Publisher{}, again(count), errMail, redelivery.Retries(5), redelivery.Wait(time.Second, 3*time.Second))
		require.ErrorContains(t, err, want)
	}
}

func TestWhatIsParkedSaysWhy(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	var out bytes.Buffer
	require.NoError(t, process(t, pub, again(int64(3)), errMail, redelivery.Retries(3), redelivery.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	require.Contains(t, out.String(), `level=ERROR msg="message failed, parked"`)
	copied := pub.Published()[0]
	require.Equal(t, processor.Destination{RoutingKey: parked}, copied.To)
	require.Equal(t, "mail server says no", copied.Envelope.Headers["warren-error"])
	require.Equal(t, int64(4), copied.Envelope.Headers["warren-failures"])
	require.Equal(t, work, copied.Envelope.Headers["warren-original-routing-key"])
	require.NotContains(t, copied.Envelope.Headers, redelivery.HeaderDeliveries, "a replay begins anew")
	require.NotContains(t, copied.Envelope.Headers, "warren-first-failed-at", "nobody knows")

	require.NoError(t, process(t, pub, again(nil), processor.Reject(errMail)))
	require.Contains(t, pub.Published()[1].Envelope.Headers, "warren-first-failed-at", "it is the only failure")
}

func TestAStackIsParkedIfAskedFor(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]redelivery.Option{nil, {redelivery.StackTrace()}} {
		pub := &processortest.Publisher{}
		p, err := stack.New(redelivery.New(pub, parked, append(opts, redelivery.Retries(0))...), recovery.New()).
			ThenFunc(func(context.Context, processor.Message) error { panic("out of stamps") })
		require.NoError(t, err)
		require.NoError(t, p.Process(t.Context(), again(nil)))
		_, told := pub.Published()[0].Envelope.Headers["warren-stack"]
		require.Equal(t, opts != nil, told)
	}
}

func TestWhatCannotBeParkedGoesBack(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{processor.ErrUnroutable, processor.Drop(processor.ErrIndeterminate), processor.ErrTooLarge} {
		pub := &processortest.Publisher{}
		pub.FailWith(failure)
		msg := again(int64(10))
		err := process(t, pub, msg, errMail, redelivery.KeepTrying(0))
		require.ErrorIs(t, err, errMail)
		require.ErrorIs(t, err, failure)
		require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
	}
}

func TestAFilterThatPanicsIsAFailure(t *testing.T) {
	t.Parallel()
	msg := again(nil)
	err := process(t, &processortest.Publisher{}, msg, errMail, redelivery.If(func(error) bool { panic("oops") }))
	require.ErrorIs(t, err, errMail)
	require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
}

func TestAHandlerThatHasSettledIsLeftAlone(t *testing.T) {
	t.Parallel()
	pub, msg := &processortest.Publisher{}, again(int64(10))
	p, err := stack.New(ack.New(), redelivery.New(pub, parked)).
		ThenFunc(func(_ context.Context, m processor.Message) error { return errors.Join(m.Ack(), errMail) })
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), msg), processor.ErrSettled)
	require.Empty(t, pub.Published())
}

// checked is a publisher with a known check.
type checked struct {
	processortest.Publisher
	problem error
}

func (c *checked) Check() error { return c.problem }

func TestTheStackRefuses(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	opt := func(o ...redelivery.Option) processor.Middleware { return redelivery.New(pub, parked, o...) }
	for name, m := range map[string]processor.Middleware{
		"no publisher":               redelivery.New(nil, parked),
		"a publisher that is broken": redelivery.New(&checked{problem: errMail}, parked),
		"a server that is too old":   redelivery.New(memory.New(memory.Version(4, 0)).Publisher(), parked),
		"no parked queue":            redelivery.New(pub, ""),
		"a name that is too long":    redelivery.New(pub, fmt.Sprintf("%0300d", 1)),
		"negative attempts":          opt(redelivery.Retries(-1)),
		"attempts without end":       opt(redelivery.Retries(math.MaxInt32)),
		"no wait":                    opt(redelivery.Wait(0, time.Second)),
		"a wait without its unit":    opt(redelivery.Wait(300, time.Second)),
		"a wait of microseconds":     opt(redelivery.Wait(1500*time.Microsecond, time.Second)),
		"the most below the least":   opt(redelivery.Wait(time.Minute, time.Second)),
		"negative patience":          opt(redelivery.KeepTrying(-1)),
		"patience without its unit":  opt(redelivery.KeepTrying(15)),
		"a nil option":               opt(nil),
	} {
		_, err := stack.New(m).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, "redelivery: ", name)
	}
	_, err := stack.New(redelivery.New(memory.New(memory.Version(4, 0)).Publisher(), parked)).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.ErrorIs(t, err, broker.ErrUnsupported)
}

func TestDescription(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]redelivery.Option{
		"1s, 2s, 3s, ... up to 10s, by the queue; then parked":               nil,
		"500ms, 1s, 1.5s, ... up to 1.6s, by the queue; then parked":         {redelivery.Wait(500*time.Millisecond, 1600*time.Millisecond)},
		"1s, 2s, by the queue; then parked":                                  {redelivery.Retries(2)},
		"none: parked at once":                                               {redelivery.Retries(0)},
		"1ms, 2ms, 3ms, ... up to 596h31m23.637s, by the queue; then parked": {redelivery.Retries(broker.HighDeliveryLimit - redelivery.Margin), redelivery.Wait(time.Millisecond, 87600*time.Hour)},
	} {
		p, err := stack.New(ack.New(), redelivery.New(&processortest.Publisher{}, parked, opts...)).
			ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.NoError(t, err)
		require.Contains(t, p.Describe().String(), want)
	}
}

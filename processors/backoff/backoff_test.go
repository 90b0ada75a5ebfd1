package backoff_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	rabbitmqtest.Main(m)
}

var (
	errMail  = errors.New("mail server says no")
	errBusy  = errors.New("mail server is busy")
	errOther = errors.New("no such address")
	quiet    = slog.New(slog.DiscardHandler)
	parked   = processor.Destination{RoutingKey: "mail_parked"}
)

// recorder is a strategy that delays nothing and records its calls.
type recorder struct {
	queue   string
	all     []time.Duration
	longest time.Duration // 0: none
	waits   int64         // found in any message
	refuses error

	mu     sync.Mutex
	delays []time.Duration
}

func (r *recorder) strategy(queue string, all []time.Duration) (delay.Delayer, error) {
	r.queue, r.all = queue, all
	return r, r.refuses
}

func (r *recorder) Topology() broker.Topology { return broker.Topology{} }

func (r *recorder) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error {
	if r.longest > 0 && d > r.longest {
		return &delay.TooLongError{Asked: d, Longest: r.longest}
	}
	r.mu.Lock()
	r.delays = append(r.delays, d)
	r.mu.Unlock()
	return p.Publish(ctx, processor.Destination{RoutingKey: r.queue}, e)
}

func (r *recorder) Waits(processor.Headers) int64 { return r.waits }

func (r *recorder) String() string { return "recorder" }

// message is one from the queue "mail".
func message(opts ...processortest.Option) *processortest.Message {
	from := processortest.Origin(processor.Origin{Queue: "mail", Exchange: "test-exchange", RoutingKey: "test-key"})
	return processortest.NewMessage(append([]processortest.Option{from}, opts...)...)
}

// fixture is a backoff layer around a handler that always returns result.
type fixture struct {
	pub      processortest.Publisher
	delays   recorder
	result   error
	pipeline *stack.Pipeline
}

func newFixture(t *testing.T, result error, opts ...backoff.Option) *fixture {
	t.Helper()
	f := &fixture{result: result}
	opts = append([]backoff.Option{backoff.Strategy(f.delays.strategy), backoff.Jitter(0), backoff.KeepTrying(0)}, opts...)
	var err error
	f.pipeline, err = stack.New(backoff.New(&f.pub, "mail", opts...)).
		ThenFunc(func(context.Context, processor.Message) error { return f.result })
	require.NoError(t, err)
	return f
}

func (f *fixture) process(t *testing.T, opts ...processortest.Option) error {
	t.Helper()
	return f.pipeline.Process(t.Context(), message(opts...))
}

// keys are the destinations of the copies.
func (f *fixture) keys() []string {
	var keys []string
	for _, p := range f.pub.Published() {
		keys = append(keys, p.To.RoutingKey)
	}
	return keys
}

// last is the latest copy.
func (f *fixture) last(t *testing.T) processor.Envelope {
	t.Helper()
	all := f.pub.Published()
	require.NotEmpty(t, all)
	return all[len(all)-1].Envelope
}

func retries(n any) processortest.Option { return processortest.Header(backoff.HeaderBackoffs, n) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return backoff.New(&processortest.Publisher{}, "test-queue")
		},
		Absorbs: true,
	})
}

func TestConformanceWhileTheRepublishFails(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			pub := &processortest.Publisher{}
			pub.FailWith(processor.ErrRefused)
			return backoff.New(pub, "test-queue", backoff.Park(parked), backoff.KeepTrying(0))
		},
		RepublishFails: true,
	})
}

func TestConformanceForSomeErrors(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return backoff.New(&processortest.Publisher{}, "test-queue", backoff.If(func(error) bool { return true }), backoff.Retries(processor.NoLimit),
				backoff.Policy(backoff.For(errBusy)), backoff.Jitter(0))
		},
		Absorbs: true,
	})
}

func TestEachFailureTakesTheNextDelay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Schedule(backoff.List(time.Second, time.Minute)), backoff.Retries(3), backoff.Park(parked))
	for n := range 4 {
		require.NoError(t, f.process(t, retries(n)))
	}
	require.Equal(t, []time.Duration{time.Second, time.Minute, time.Minute}, f.delays.delays)
	require.Equal(t, []string{"mail", "mail", "mail", "mail_parked"}, f.keys())
	for i, p := range f.pub.Published() {
		require.Equal(t, int64(min(i+1, 3)), p.Envelope.Headers[backoff.HeaderBackoffs])
	}
}

func TestTheDefaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail)
	var want []time.Duration
	for _, s := range []int{1, 2, 3, 5, 8, 13, 21, 34, 55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 55} {
		require.NoError(t, f.process(t, retries(len(want))))
		want = append(want, time.Duration(s)*time.Second)
	}
	require.Equal(t, want, f.delays.delays)
	require.ErrorIs(t, f.process(t, retries(20)), backoff.ErrExpired)
}

func TestWithoutAFinalDestinationTheErrorComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Retries(3))
	began := time.Now().Add(-12*time.Minute - 3*time.Second)
	err := f.process(t, retries(3), processortest.Header("warren-first-failed-at", began))
	require.ErrorIs(t, err, errMail)
	require.ErrorIs(t, err, backoff.ErrExpired)
	require.EqualError(t, err, "backoff: expired after 3 retries in 12m3s: mail server says no")
	require.Equal(t, processor.Failed, processor.Decide(err).Action)
	require.Empty(t, f.keys())
}

func TestTheFinalCopySaysHowManyRetriesThereWere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Retries(1), backoff.Park(parked))
	require.NoError(t, f.process(t, retries(1)))
	h := f.last(t).Headers
	require.Equal(t, "backoff: expired after 1 retry in 0s: mail server says no", h["warren-error"])
	require.Equal(t, "*errors.errorString", h["warren-error-type"])
	require.Equal(t, int64(2), h["warren-failures"])
	require.Equal(t, int64(1), h[backoff.HeaderBackoffs])
}

func TestWithoutRetriesTheFirstFailureIsTheLast(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Retries(0), backoff.Park(parked))
	require.NoError(t, f.process(t))
	require.Equal(t, []string{"mail_parked"}, f.keys())
}

// Without a limit no retry is the last.
func TestNoLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Retries(processor.NoLimit), backoff.Schedule(backoff.List(time.Second, time.Minute)), backoff.Park(parked))
	for _, count := range []int64{0, 1, 1_000_000, math.MaxInt32 - 1, math.MaxInt32, math.MaxInt64} {
		require.NoError(t, f.process(t, retries(count)))
		require.Equal(t, min(count, math.MaxInt32-1)+1, f.last(t).Headers[backoff.HeaderBackoffs], "no more than others can read")
	}
	require.NotContains(t, f.keys(), "mail_parked")
}

func TestTheCountIsASendersClaim(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header any
		want   int64 // on the copy
	}{
		"int8":               {int8(1), 2},
		"int32":              {int32(1), 2},
		"int64":              {int64(1), 2},
		"uint64":             {uint64(1), 2},
		"numeric string":     {"1", 2},
		"bytes":              {[]byte("1"), 2},
		"negative":           {int64(-1), 1},
		"most negative":      {int64(math.MinInt64), 1},
		"the last":           {int64(3), 3},
		"huge":               {int64(math.MaxInt64), 3},
		"huge unsigned":      {uint64(math.MaxUint64), 3},
		"a million":          {1_000_000, 3},
		"huge string":        {"99999999999999999999999", 3},
		"negative string":    {"-99999999999999999999999", 1},
		"text":               {"many", 1},
		"float":              {2.5, 1},
		"whole float":        {1.0, 2},
		"whole float32":      {float32(1), 2},
		"negative float":     {-1.0, 1},
		"huge float":         {1e300, 3},
		"not a number":       {math.NaN(), 1},
		"bool":               {true, 1},
		"nil":                {nil, 1},
		"time":               {time.Now(), 1},
		"array":              {[]any{int64(2)}, 1},
		"table":              {processor.Headers{"n": int64(2)}, 1},
		"decimal":            {processor.Decimal{Value: 2}, 1},
		"unexpected Go type": {struct{}{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, errMail, backoff.Retries(3), backoff.Park(parked))
			require.NoError(t, f.process(t, retries(tc.header)))
			require.Equal(t, tc.want, f.last(t).Headers[backoff.HeaderBackoffs])
		})
	}
}

func FuzzTheCountNeverPanics(f *testing.F) {
	f.Add("3", int64(3), 3.0, int64(0), int64(7))
	f.Add("-1", int64(math.MinInt64), math.Inf(1), int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, s string, n int64, x float64, waits, first int64) {
		for _, limit := range []int{processor.NoLimit, 3} {
			fx := newFixture(t, errMail, backoff.Retries(limit), backoff.Park(parked))
			fx.delays.waits = waits
			for _, v := range []any{s, []byte(s), n, int32(n), uint64(n), x, []any{s, n}} {
				require.NoError(t, fx.process(t, retries(v), processortest.Header("warren-first-failed-at", time.Unix(first, 0))))
				count, ok := fx.last(t).Headers.Int64(backoff.HeaderBackoffs)
				require.True(t, ok)
				require.GreaterOrEqual(t, count, int64(1))
				require.LessOrEqual(t, count, int64(math.MaxInt32))
			}
		}
	})
}

// As for messages that a Python service has delayed.
func TestWhatTheDelaysFindCountsIfItIsMore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ header, waits, want int64 }{
		{0, 2, 3}, {2, 0, 3}, {2, 1, 3}, {1, 2, 3}, {0, math.MaxInt64, 4}, {math.MaxInt64, 2, 4}, {-3, -5, 1},
	} {
		f := newFixture(t, errMail, backoff.Retries(4), backoff.Park(parked))
		f.delays.waits = tc.waits
		require.NoError(t, f.process(t, retries(tc.header)))
		require.Equal(t, tc.want, f.last(t).Headers[backoff.HeaderBackoffs])
	}
}

func TestDecisionsOfTheHandler(t *testing.T) {
	t.Parallel()
	final := backoff.Park(parked)
	for name, tc := range map[string]struct {
		result error
		opts   []backoff.Option
		keys   []string
		delays []time.Duration
		action processor.Action
		stop   bool
	}{
		"failed":                    {errMail, nil, []string{"mail"}, []time.Duration{time.Second}, processor.Done, false},
		"again":                     {backoff.Again(errMail), nil, []string{"mail"}, []time.Duration{time.Second}, processor.Done, false},
		"retry after":               {processor.RetryAfter(errMail, time.Hour), nil, []string{"mail"}, []time.Duration{time.Hour}, processor.Done, false},
		"retry after nothing":       {processor.RetryAfter(errMail, 0), nil, []string{"mail"}, []time.Duration{time.Second}, processor.Done, false},
		"rejected":                  {processor.Reject(errMail), nil, nil, nil, processor.Rejected, false},
		"rejected, final":           {processor.Reject(errMail), []backoff.Option{final}, []string{"mail_parked"}, nil, processor.Done, false},
		"rejected around a request": {processor.Reject(backoff.Again(errMail)), nil, nil, nil, processor.Rejected, false},
		"requeued":                  {processor.Requeue(errMail), []backoff.Option{final}, nil, nil, processor.Requeued, false},
		"released":                  {processor.Release(errMail), []backoff.Option{final}, nil, nil, processor.Released, false},
		"dropped":                   {processor.Drop(errMail), []backoff.Option{final}, nil, nil, processor.Dropped, false},
		"stop":                      {processor.ErrStop, []backoff.Option{final}, nil, nil, processor.Done, true},
		"stop with an error":        {processor.Stop(errMail), nil, []string{"mail"}, []time.Duration{time.Second}, processor.Dropped, true},
		"stop with a rejection":     {processor.Stop(processor.Reject(errMail)), []backoff.Option{final}, []string{"mail_parked"}, nil, processor.Dropped, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tc.result, tc.opts...)
			err := f.process(t)
			require.Equal(t, tc.keys, f.keys())
			require.Equal(t, tc.delays, f.delays.delays)
			require.Equal(t, processor.Decision{Action: tc.action, Stop: tc.stop}, processor.Decide(err))
		})
	}
}

func TestCutShortIsNoRetry(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, result := range []error{errMail, processor.Reject(errMail), backoff.Again(errMail), processor.RetryAfter(errMail, time.Hour)} {
		for _, count := range []int{0, 20} {
			f := newFixture(t, result, backoff.Park(parked))
			err := f.pipeline.Process(ctx, message(retries(count)))
			require.Equal(t, processor.Requeued, processor.Decide(err).Action)
			require.ErrorIs(t, err, errMail)
			require.EqualError(t, err, errMail.Error(), "nothing was tried")
			require.Empty(t, f.delays.delays)
		}
	}
}

func TestAMessageThatTheHandlerSettledIsNotPublished(t *testing.T) {
	t.Parallel()
	for _, result := range []error{errMail, processor.Reject(errMail), backoff.Again(errMail)} {
		f := newFixture(t, nil, backoff.Park(parked))
		msg := message()
		require.NoError(t, msg.Ack())
		f.result = result
		err := f.pipeline.Process(t.Context(), msg)
		require.ErrorIs(t, err, processor.ErrSettled)
		require.ErrorIs(t, err, errMail)
		require.Equal(t, processor.Decide(result), processor.Decide(err))
		require.Empty(t, f.keys())
		require.Len(t, msg.Settlements(), 1)
	}
}

func TestTheFirstFailureIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail)
	require.NoError(t, f.process(t, processortest.Header("warren-original-exchange", "forged")))
	h := f.last(t).Headers
	require.Equal(t, "test-exchange", h["warren-original-exchange"])
	require.Equal(t, "test-key", h["warren-original-routing-key"])

	msg := message(
		processortest.Origin(processor.Origin{Queue: "mail", RoutingKey: "mail", Redelivered: true}),
		retries(h[backoff.HeaderBackoffs]),
		processortest.Header("warren-original-exchange", "test-exchange"),
		processortest.Header("warren-original-routing-key", "test-key"))
	require.Equal(t, processor.Origin{Queue: "mail", Exchange: "test-exchange", RoutingKey: "test-key", Redelivered: true}, backoff.FirstOrigin(msg))
}

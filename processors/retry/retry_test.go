package retry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	rabbitmqtest.Main(m)
}

var (
	errMail = errors.New("mail server says no")
	quiet   = slog.New(slog.DiscardHandler)
)

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return retry.New(&processortest.Publisher{}, "retry_%attempt%")
		},
		Absorbs: true,
	})
}

func TestConformanceWhileTheRepublishFails(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			pub := &processortest.Publisher{}
			pub.FailWith(processor.ErrRefused)
			return retry.New(pub, "retry_%attempt%", retry.ParkKey("parked"), retry.KeepTrying(0))
		},
		RepublishFails: true,
	})
}

// fixture is a retry layer around a handler that always fails.
type fixture struct {
	pub      processortest.Publisher
	pipeline *stack.Pipeline
}

func newFixture(t *testing.T, result error, opts ...retry.Option) *fixture {
	t.Helper()
	f := &fixture{}
	opts = append([]retry.Option{retry.Exchange("retry")}, opts...)
	var err error
	f.pipeline, err = stack.New(retry.New(&f.pub, "mail_retry_%attempt%", opts...)).
		ThenFunc(func(context.Context, processor.Message) error { return result })
	require.NoError(t, err)
	return f
}

func (f *fixture) process(t *testing.T, opts ...processortest.Option) error {
	t.Helper()
	return f.pipeline.Process(t.Context(), processortest.NewMessage(opts...))
}

func (f *fixture) keys() []string {
	var keys []string
	for _, p := range f.pub.Published() {
		keys = append(keys, p.To.RoutingKey)
	}
	return keys
}

func attempts(n any) processortest.Option { return processortest.Header(retry.HeaderAttempts, n) }

func TestEachFailureTakesTheNextKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, retry.ParkKey("mail_parked"))
	require.NoError(t, f.process(t))
	for n := 1; n <= 3; n++ {
		require.NoError(t, f.process(t, attempts(int64(n))))
	}
	require.Equal(t, []string{"mail_retry_1", "mail_retry_2", "mail_retry_3", "mail_parked"}, f.keys())
	for i, p := range f.pub.Published() {
		require.Equal(t, "retry", p.To.Exchange)
		require.Equal(t, int64(min(i+1, 3)), p.Envelope.Headers[retry.HeaderAttempts])
	}
}

func TestAParkedCopySaysHowOftenItFailedWhateverASenderWrites(t *testing.T) {
	t.Parallel()
	for result, failures := range map[error]map[any]int64{
		errMail:                   {int64(3): 4, int64(math.MaxInt64): 4},
		processor.Reject(errMail): {nil: 1, int64(2): 3, "1000000": 4, -5: 1},
	} {
		for count, want := range failures {
			f := newFixture(t, result, retry.ParkKey("mail_parked"))
			require.NoError(t, f.process(t, attempts(count)))
			require.Equal(t, []string{"mail_parked"}, f.keys())
			require.Equal(t, want, f.pub.Published()[0].Envelope.Headers["warren-failures"])
		}
	}
}

func TestAStackIsParkedIfAskedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []retry.Option
		told bool
	}{"by default": {nil, false}, "asked for": {[]retry.Option{retry.StackTrace()}, true}} {
		var pub processortest.Publisher
		p, err := stack.New(retry.New(&pub, "", append(tc.opts, retry.Retries(0), retry.ParkKey(parked))...), recovery.New()).
			ThenFunc(func(context.Context, processor.Message) error { panic("out of stamps") })
		require.NoError(t, err)
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		trace, told := pub.Published()[0].Envelope.Headers.String("warren-stack")
		require.Equal(t, tc.told, told, name)
		require.Equal(t, tc.told, strings.Contains(trace, "retry_test.go"), name)
	}
}

func TestWithoutParkKeyTheErrorComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail)
	err := f.process(t, attempts(3))
	require.ErrorIs(t, err, errMail)
	require.ErrorIs(t, err, retry.ErrExhausted)
	require.Equal(t, processor.Failed, processor.Decide(err).Action)
	require.Empty(t, f.keys())
}

func TestNoRetries(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, retry.Retries(0), retry.ParkKey("mail_parked"))
	require.NoError(t, f.process(t))
	require.Equal(t, []string{"mail_parked"}, f.keys())
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"mail_retry_%attempt%":          "mail_retry_1",
		"mail_retry_%attempts%":         "mail_retry_1",
		"%attempt%.mail.%attempts%":     "1.mail.1",
		"100%.%attempt%.50%":            "100%.1.50%",
		"%attempt%%attempt%%%attempts%": "11%1",
	} {
		var pub processortest.Publisher
		p, err := stack.New(retry.New(&pub, pattern)).
			ThenFunc(func(context.Context, processor.Message) error { return errMail })
		require.NoError(t, err)
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, processor.Destination{RoutingKey: want}, pub.Published()[0].To)
	}
}

func TestTheCountIsASendersClaim(t *testing.T) {
	t.Parallel()
	const parked = "mail_parked"
	for name, tc := range map[string]struct {
		header any
		want   string
	}{
		"int8":               {int8(1), "mail_retry_2"},
		"int16":              {int16(1), "mail_retry_2"},
		"int32":              {int32(1), "mail_retry_2"},
		"int64":              {int64(1), "mail_retry_2"},
		"int":                {1, "mail_retry_2"},
		"uint8":              {uint8(1), "mail_retry_2"},
		"uint16":             {uint16(1), "mail_retry_2"},
		"uint32":             {uint32(1), "mail_retry_2"},
		"uint64":             {uint64(1), "mail_retry_2"},
		"numeric string":     {"1", "mail_retry_2"},
		"spaced string":      {" 2 ", "mail_retry_3"},
		"bytes":              {[]byte("1"), "mail_retry_2"},
		"negative":           {int64(-1), "mail_retry_1"},
		"most negative":      {int64(math.MinInt64), "mail_retry_1"},
		"huge":               {int64(math.MaxInt64), parked},
		"huge unsigned":      {uint64(math.MaxUint64), parked},
		"a million":          {1_000_000, parked},
		"huge string":        {"99999999999999999999999", parked},
		"negative string":    {"-99999999999999999999999", "mail_retry_1"},
		"text":               {"many", "mail_retry_1"},
		"empty string":       {"", "mail_retry_1"},
		"float":              {2.5, "mail_retry_1"},
		"whole float":        {2.0, "mail_retry_3"},
		"whole float32":      {float32(1), "mail_retry_2"},
		"negative float":     {-1.0, "mail_retry_1"},
		"huge float":         {1e300, parked},
		"not a number":       {math.NaN(), "mail_retry_1"},
		"bool":               {true, "mail_retry_1"},
		"nil":                {nil, "mail_retry_1"},
		"time":               {time.Now(), "mail_retry_1"},
		"array":              {[]any{int64(2)}, "mail_retry_1"},
		"table":              {processor.Headers{"n": int64(2)}, "mail_retry_1"},
		"decimal":            {processor.Decimal{Value: 2}, "mail_retry_1"},
		"unexpected Go type": {struct{}{}, "mail_retry_1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, errMail, retry.ParkKey(parked))
			require.NoError(t, f.process(t, attempts(tc.header)))
			require.Equal(t, []string{tc.want}, f.keys())
		})
	}
}

func FuzzTheCountNeverPanics(f *testing.F) {
	f.Add("3", int64(3), 3.0)
	f.Fuzz(func(t *testing.T, s string, n int64, x float64) {
		for _, v := range []any{s, []byte(s), n, int32(n), uint64(n), x, []any{s, n}} {
			fx := newFixture(t, errMail, retry.ParkKey("parked"))
			require.NoError(t, fx.process(t, attempts(v)))
			require.Len(t, fx.keys(), 1)
		}
	})
}

// If a republish fails the message is requeued, whatever else is set.
func TestFailedRepublishGivesTheMessageBack(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{
		processor.ErrUnroutable, processor.ErrRefused, processor.ErrIndeterminate, processor.ErrBlocked,
		processor.ErrTooLarge, processor.ErrHeaderType, processor.ErrClosed, errors.New("anything"),
		// A decision in the publisher's error does not apply to our message.
		processor.Drop(errors.New("dropped")), processor.Reject(errors.New("rejected")), processor.ErrStop,
	} {
		for _, count := range []int{0, 3} { // a retry, and the parked copy
			var pub processortest.Publisher
			pub.FailWith(failure)
			p, err := stack.New(ack.New(), retry.New(&pub, "r_%attempt%", retry.ParkKey("parked"), retry.KeepTrying(0))).
				ThenFunc(func(context.Context, processor.Message) error { return errMail })
			require.NoError(t, err)
			msg := processortest.NewMessage(attempts(count))
			err = p.Process(t.Context(), msg)
			require.ErrorIs(t, err, failure)
			require.ErrorIs(t, err, errMail, "the handler's error is kept")
			require.False(t, processor.Decide(err).Stop)
			if errors.Is(failure, processor.ErrTooLarge) || errors.Is(failure, processor.ErrHeaderType) {
				require.Equal(t, processor.Released, processor.Decide(err).Action)
				require.Empty(t, msg.Settlements(), "whoever runs the pipeline releases it")
				continue
			}
			require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
		}
	}
}

func TestDecisionsOfTheHandler(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		result error
		keys   []string
		action processor.Action
		stop   bool
	}{
		{"failed", errMail, []string{"mail_retry_1"}, processor.Done, false},
		{"retry after", processor.RetryAfter(errMail, time.Hour), []string{"mail_retry_1"}, processor.Done, false},
		{"rejected", processor.Reject(errMail), []string{"mail_parked"}, processor.Done, false},
		{"requeued", processor.Requeue(errMail), nil, processor.Requeued, false},
		{"dropped", processor.Drop(errMail), nil, processor.Dropped, false},
		{"stop", processor.ErrStop, nil, processor.Done, true},
		{"stop with an error", processor.Stop(errMail), []string{"mail_retry_1"}, processor.Dropped, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tc.result, retry.ParkKey("mail_parked"))
			err := f.process(t)
			require.Equal(t, tc.keys, f.keys())
			require.Equal(t, processor.Decision{Action: tc.action, Stop: tc.stop}, processor.Decide(err))
		})
	}
}

func TestRejectedWithoutParkKeyIsTheBrokersToDeadLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, processor.Reject(errMail))
	require.Equal(t, processor.Rejected, processor.Decide(f.process(t)).Action)
	require.Empty(t, f.keys())
}

func TestCutShortIsNoAttempt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, result := range []error{errMail, processor.Reject(errMail)} {
		f := newFixture(t, result, retry.ParkKey("mail_parked"))
		err := f.pipeline.Process(ctx, processortest.NewMessage())
		require.Equal(t, processor.Requeued, processor.Decide(err).Action)
		require.ErrorIs(t, err, errMail)
		require.Empty(t, f.keys())
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	temporary := func(err error) bool { return errors.Is(err, errMail) }
	f := newFixture(t, errMail, retry.If(temporary))
	require.NoError(t, f.process(t))
	require.Len(t, f.keys(), 1)

	other := errors.New("no such address")
	f = newFixture(t, other, retry.If(temporary))
	require.Equal(t, other, f.process(t))
	require.Empty(t, f.keys())
	// It was returned to a queue that may have no dead-letter exchange, and was lost.
	f = newFixture(t, other, retry.If(temporary), retry.ParkKey("mail_parked"))
	require.NoError(t, f.process(t))
	require.Equal(t, []string{"mail_parked"}, f.keys())
}

func TestKeyFunc(t *testing.T) {
	t.Parallel()
	var pub processortest.Publisher
	key := func(attempt int, msg processor.Message) string {
		return fmt.Sprintf("%s.%d", msg.Origin().Queue, attempt)
	}
	p, err := stack.New(retry.New(&pub, "", retry.Keys(key))).
		ThenFunc(func(context.Context, processor.Message) error { return errMail })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage(attempts(1))))
	require.Equal(t, "test-queue.2", pub.Published()[0].To.RoutingKey)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	var events []retry.Event
	f := newFixture(t, errMail, retry.ParkKey("mail_parked"), retry.KeepTrying(0),
		retry.OnRepublish(func(_ context.Context, e retry.Event) { e.Message = nil; events = append(events, e) }))
	require.NoError(t, f.process(t, attempts(2)))
	require.NoError(t, f.process(t, attempts(3)))
	f.pub.FailWith(processor.ErrRefused)
	require.Error(t, f.process(t))
	require.Equal(t, []retry.Event{
		{Err: errMail, Attempt: 3, Retries: 3, To: processor.Destination{Exchange: "retry", RoutingKey: "mail_retry_3"}},
		{Err: errMail, Attempt: 3, Retries: 3, Parked: true, To: processor.Destination{Exchange: "retry", RoutingKey: "mail_parked"}},
	}, events, "only what the broker took")
}

func TestRetriesAndParkedMessagesAreLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := retry.Logger(slog.New(slog.NewTextHandler(&out, nil)))
	f := newFixture(t, errMail, retry.ParkKey("mail_parked"), log)
	require.NoError(t, f.process(t))
	require.Contains(t, out.String(), `level=INFO msg="message failed, retried" queue=test-queue message_id=test-message`)
	require.Contains(t, out.String(), "retry=1 retries=3")
	out.Reset()
	require.NoError(t, f.process(t, attempts(3)))
	require.Contains(t, out.String(), `level=ERROR msg="message failed, parked"`)
	require.Contains(t, out.String(), "mail server says no")
}

func TestTheFirstRepublishThatFailsIsLoggedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFixture(t, errMail, retry.KeepTrying(time.Hour), retry.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		f.pub.FailWith(processor.ErrUnroutable)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- f.pipeline.Process(ctx, processortest.NewMessage()) }()
		synctest.Wait()
		require.Equal(t, 1, strings.Count(out.String(), `level=WARN msg="publish failed, trying again"`))
		cancel()
		require.Error(t, <-done)
	})
}

// broken is a publisher that knows that it cannot work.
type broken struct{ processor.Publisher }

func (broken) Check() error { return errors.New("it is broken") }

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	long := string(make([]byte, 256))
	for name, tc := range map[string]struct {
		middleware processor.Middleware
		says       string
	}{
		"nil publisher":         {retry.New(nil, "r_%attempt%"), "publisher is nil"},
		"broken publisher":      {retry.New(broken{pub}, "r_%attempt%"), "retry: the publisher cannot work: it is broken"},
		"empty pattern":         {retry.New(pub, ""), "pattern is empty"},
		"pattern without it":    {retry.New(pub, "mail_retry"), "no %attempt%"},
		"pattern, one attempt":  {retry.New(pub, "r_%atempt%", retry.Retries(1)), "placeholder that is not known"},
		"pattern, one unknown":  {retry.New(pub, "%queue%_%attempt%"), "placeholder that is not known"},
		"park key in a circle":  {retry.New(pub, "r_%attempt%", retry.ParkKey("r_2")), "also the key of retry 2"},
		"pattern misspelt":      {retry.New(pub, "mail_retry_%Attempt%"), "placeholder that is not known"},
		"negative attempts":     {retry.New(pub, "r_%attempt%", retry.Retries(-1)), "Retries is -1"},
		"negative patience":     {retry.New(pub, "r_%attempt%", retry.KeepTrying(-1)), "KeepTrying is -1ns"},
		"nil option":            {retry.New(pub, "r_%attempt%", nil), "retry: option 1 is nil"},
		"nothing to do":         {retry.New(pub, "r_%attempt%", retry.Retries(0)), "no retries and no park key"},
		"pattern and key func":  {retry.New(pub, "r_%attempt%", retry.Keys(func(int, processor.Message) string { return "" })), "keep one"},
		"long pattern":          {retry.New(pub, long+"%attempt%"), "255 bytes"},
		"long park key":         {retry.New(pub, "r_%attempt%", retry.ParkKey(long)), "255 bytes"},
		"delay without delays":  {retry.New(pub, "r_%delay%"), "nothing says what the delays are"},
		"delays for a function": {retry.New(pub, "", retry.Delays(time.Second), retry.Keys(func(int, processor.Message) string { return "" })), "Keys and Delays are both set"},
		"delays of none":        {retry.New(pub, "r_%attempt%", retry.Delays()), "Delays has none"},
		"a delay of 0":          {retry.New(pub, "r_%attempt%", retry.Delays(time.Second, 0)), "Delays has 0s"},
		"a negative delay":      {retry.New(pub, "r_%attempt%", retry.Delays(-time.Second)), "Delays has -1s"},
		"half a millisecond":    {retry.New(pub, "r_%attempt%", retry.Delays(1500*time.Microsecond)), "whole number of milliseconds"},
		"two delays, one key":   {retry.New(pub, "r", retry.Delays(time.Second, time.Minute)), `key "r" is that of a retry after 1s and of one after 1m0s`},
		"park key, by delay":    {retry.New(pub, "r_%delay%", retry.Delays(time.Second), retry.ParkKey("r_1s")), "also the key of retry 1"},
		"unknown queue type":    {retry.New(pub, "r_%attempt%", retry.QueueType("stream")), `QueueType is "stream"`},
		"negative length":       {retry.New(pub, "r_%attempt%", retry.MaxLength(-1)), "MaxLength is -1"},
		"long with the delay":   {retry.New(pub, long[:254]+"%delay%", retry.Delays(time.Second)), "255 bytes"},
		"two mistakes":          {retry.New(nil, "r_%attempt%", retry.Retries(-1), retry.ParkKey("p")), "Retries is -1"},
		"long exchange":         {retry.New(pub, "r_%attempt%", retry.Exchange(long)), "255 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stack.New(tc.middleware).ThenFunc(func(context.Context, processor.Message) error { return nil })
			require.ErrorContains(t, err, tc.says)
			// By hand, without the stack's check, no message is lost either.
			err = tc.middleware(nil).Process(t.Context(), processortest.NewMessage())
			require.Equal(t, processor.Requeued, processor.Decide(err).Action)
		})
	}
	_, err := stack.New(retry.New(pub, "mail_retry", retry.Retries(1))).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err, "one attempt needs no placeholder")
}

// With retry outside ack copies would multiply, or be in both places or in none.
func TestStackRefusesRetryOutsideAck(t *testing.T) {
	t.Parallel()
	again := retry.New(&processortest.Publisher{}, "r_%attempt%")
	for _, settle := range []processor.Middleware{ack.New(), ack.New(ack.RequeueOnError())} {
		_, err := stack.New(again, settle).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorIs(t, err, stack.ErrOrder)
		require.ErrorContains(t, err, "put ack outside retry")
	}
}

func ExampleNew() {
	pub := &processortest.Publisher{} // a broker's Publisher() in real life
	pipeline, err := stack.New(
		ack.New(),
		retry.New(pub, "mail_retry_%attempt%", retry.Exchange("retry"), retry.ParkKey("mail_parked")),
	).ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
	if err != nil {
		panic(err)
	}
	for _, count := range []int{0, 1, 2, 3} {
		msg := processortest.NewMessage(processortest.Header(retry.HeaderAttempts, count))
		err := pipeline.Process(context.Background(), msg)
		fmt.Println(msg.Settlements(), err, pub.Published()[count].To)
	}
	// Output:
	// [ack] <nil> exchange "retry" with key "mail_retry_1"
	// [ack] <nil> exchange "retry" with key "mail_retry_2"
	// [ack] <nil> exchange "retry" with key "mail_retry_3"
	// [ack] <nil> exchange "retry" with key "mail_parked"
}

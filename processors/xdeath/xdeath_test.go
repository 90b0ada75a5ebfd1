package xdeath_test

import (
	"context"
	"errors"
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
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return xdeath.New(drop()) },
	})
}

// always puts every message over the limit, with a failure that ends as action.
type always struct {
	processor.Processor
	action processor.Action
}

func (a always) Process(ctx context.Context, msg processor.Message) error {
	return a.Processor.Process(ctx, worn{msg, died(1_000_000)})
}

func (a always) Predict(o stack.Outcome) stack.Outcome {
	if o.Returns() && o.Action != processor.Done && o.Case != stack.CaseShutdown {
		o.Action = a.action
	}
	return o
}

// worn is a message with other headers.
type worn struct {
	processor.Message
	headers processor.Headers
}

func (w worn) Headers() processor.Headers { return w.headers }

func TestConformanceOverTheLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		option xdeath.Option
		action processor.Action
	}{
		"dropped":    {drop(), processor.Dropped},
		"dealt with": {xdeath.Over(func(context.Context, xdeath.Event) error { return nil }), processor.Dropped},
		"requeued":   {xdeath.Over(func(context.Context, xdeath.Event) error { return processor.Requeue(errPlace) }), processor.Requeued},
		"parked":     {xdeath.Park(&processortest.Publisher{}, parked), processor.Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			processortest.TestMiddleware(t, processortest.Contract{
				New: func(testing.TB) processor.Middleware {
					return func(p processor.Processor) processor.Processor { return always{xdeath.New(tc.option)(p), tc.action} }
				},
				Allocates: true, // the headers of this test
			})
		})
	}
}

var (
	errMail  = errors.New("mail server says no")
	errPlace = errors.New("no place to put it")
	parked   = processor.Destination{RoutingKey: "parked"}
)

func drop() xdeath.Option {
	return xdeath.Over(func(_ context.Context, e xdeath.Event) error { return processor.Drop(e.Err) })
}

func entry(queue string, fields ...any) processor.Headers {
	h := processor.Headers{"queue": queue, "reason": "rejected", "exchange": "", "routing-keys": []any{queue}}
	for i := 0; i < len(fields); i += 2 {
		name, _ := fields[i].(string)
		h[name] = fields[i+1]
	}
	return h
}

func deaths(entries ...any) processor.Headers { return processor.Headers{"x-death": entries} }

// died are the headers of a message that died n times in the queue it was taken from.
func died(n int64) processor.Headers { return deaths(entry("test-queue", "count", n)) }

func message(h processor.Headers) *processortest.Message {
	var opts []processortest.Option
	for name, value := range h {
		opts = append(opts, processortest.Header(name, value))
	}
	return processortest.NewMessage(opts...)
}

// process returns the event passed to the function, nil if it was not called.
func process(t *testing.T, msg processor.Message, result error, opts ...xdeath.Option) (e *xdeath.Event, err error) {
	t.Helper()
	opts = append(opts, xdeath.Over(func(_ context.Context, got xdeath.Event) error {
		e = &got
		return processor.Drop(got.Err)
	}))
	p, err := stack.New(xdeath.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return result })
	require.NoError(t, err)
	return e, p.Process(t.Context(), msg)
}

func TestTheLimitIsReachedAsInSwarrot(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		deaths int64
		opts   []xdeath.Option
		over   bool
	}{
		{299, nil, false},
		{300, nil, true},
		{2, []xdeath.Option{xdeath.MaxCount(3)}, false},
		{3, []xdeath.Option{xdeath.MaxCount(3)}, true},
		{1_000_000, []xdeath.Option{xdeath.MaxCount(processor.NoLimit)}, false},
	} {
		e, err := process(t, message(died(tc.deaths)), errMail, tc.opts...)
		require.ErrorIs(t, err, errMail)
		require.Equal(t, tc.over, e != nil, "%d deaths", tc.deaths)
		require.Equal(t, tc.over, errors.Is(err, xdeath.ErrMaxCount))
		if !tc.over {
			require.Same(t, errMail, err, "the very error goes on")
		}
	}
}

func TestTheLifetimeBeginsWithTheFirstDeath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ago := func(d time.Duration) any { return entry("test-queue", "count", int64(1), "time", now.Add(-d)) }
		for _, tc := range []struct {
			name    string
			headers processor.Headers
			opts    []xdeath.Option
			over    bool
		}{
			{"not yet", deaths(ago(time.Hour - 1)), nil, false},
			{"just", deaths(ago(time.Hour)), nil, true},
			{"the oldest of several", deaths(ago(time.Minute), ago(2*time.Hour), ago(time.Second)), nil, true},
			{"the oldest is not yet", deaths(ago(time.Minute), ago(time.Second)), nil, false},
			{"in the future", deaths(ago(-2 * time.Hour)), nil, false},
			{"far in the future", deaths(ago(math.MinInt64 + 1)), nil, false},
			{"one in the future", deaths(ago(-2*time.Hour), ago(2*time.Hour)), nil, true},
			{"long ago", deaths(entry("test-queue", "time", time.Unix(0, 0))), nil, true},
			{"longer ago than a duration holds", deaths(entry("test-queue", "time", time.Unix(-1<<60, 0))), nil, true},
			{"no time", deaths(entry("test-queue", "time", time.Time{})), nil, false},
			{"no time beside one", deaths(ago(2*time.Hour), entry("test-queue", "time", time.Time{})), nil, true},
			{"another queue", deaths(entry("other", "time", now.Add(-2*time.Hour))), nil, false},
			{"an option", deaths(ago(2 * time.Minute)), []xdeath.Option{xdeath.MaxLifetime(2 * time.Minute)}, true},
			{"off", deaths(ago(2 * time.Hour)), []xdeath.Option{xdeath.MaxLifetime(processor.NoLimit)}, false},
		} {
			e, err := process(t, message(tc.headers), errMail, tc.opts...)
			require.ErrorIs(t, err, errMail)
			require.Equal(t, tc.over, e != nil, tc.name)
			require.Equal(t, tc.over, errors.Is(err, xdeath.ErrMaxLifetime), tc.name)
		}
	})
}

func TestDeathsOfOneQueueAreAddedUp(t *testing.T) {
	t.Parallel()
	mixed := deaths(
		entry("wait", "reason", "expired", "count", int64(7)),
		entry("test-queue", "reason", "rejected", "count", int64(3)),
		entry("other", "count", int64(50)),
		entry("test-queue", "reason", "expired", "count", int64(1)),
	)
	e, _ := process(t, message(mixed), errMail, xdeath.MaxCount(4))
	require.Equal(t, int64(4), e.Count)
	e, _ = process(t, message(mixed), errMail, xdeath.MaxCount(5))
	require.Nil(t, e)
	e, _ = process(t, message(mixed), errMail, xdeath.MaxCount(7), xdeath.Queue("wait"))
	require.Equal(t, "wait", e.Queue)
}

func TestWhatTheFunctionIsTold(t *testing.T) {
	t.Parallel()
	first := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Second)
	msg := message(deaths(entry("test-queue", "count", int64(300), "time", first)))
	e, err := process(t, msg, errMail)
	require.ErrorIs(t, e.Err, errMail)
	require.ErrorIs(t, e.Err, xdeath.ErrMaxCount)
	require.ErrorContains(t, err, `xdeath: the message has died too often: 300 deaths in queue "test-queue" since `+
		first.Format(time.RFC3339)+`; it has failed with: mail server says no`)
	e.Err = nil
	require.Equal(t, &xdeath.Event{Message: msg, Limit: xdeath.ErrMaxCount, Queue: "test-queue", Count: 300, First: first}, e)
}

// A sender may write anything; an entry that is no death is not counted.
func TestForgedDeaths(t *testing.T) {
	t.Parallel()
	big := entry("test-queue", "count", int64(math.MaxInt64))
	for name, tc := range map[string]struct {
		claim any
		over  bool
	}{
		"million":         {[]any{entry("test-queue", "count", int32(1_000_000))}, true},
		"overflow":        {[]any{big, big}, true},
		"negative":        {[]any{entry("test-queue", "count", int64(math.MinInt64))}, false},
		"taken away":      {[]any{entry("test-queue", "count", int64(-300)), entry("test-queue", "count", int64(300))}, true},
		"taken back":      {[]any{entry("test-queue", "count", int64(300)), entry("test-queue", "count", int64(-300))}, true},
		"unsigned":        {[]any{entry("test-queue", "count", uint64(math.MaxUint64))}, true},
		"numeric text":    {[]any{entry("test-queue", "count", "300")}, true},
		"text":            {[]any{entry("test-queue", "count", "many")}, false},
		"float":           {[]any{entry("test-queue", "count", math.Inf(1))}, false},
		"no count":        {[]any{entry("test-queue")}, false},
		"time is text":    {[]any{entry("test-queue", "time", "1970-01-01")}, false},
		"plain map":       {[]any{map[string]any{"queue": "test-queue", "count": 300}}, true},
		"queue in bytes":  {[]any{processor.Headers{"queue": []byte("test-queue"), "count": 300}}, true},
		"queue nested":    {[]any{processor.Headers{"queue": []any{"test-queue"}, "count": 300}}, false},
		"no queue":        {[]any{processor.Headers{"count": 300}}, false},
		"nil entries":     {[]any{nil, processor.Headers(nil), map[string]any(nil), []any{}}, false},
		"entry is text":   {[]any{"expired", big}, true},
		"nested lists":    {[]any{[]any{[]any{big}}}, false},
		"no list":         {"expired", false},
		"number":          {300, false},
		"table":           {big, false},
		"nothing":         {nil, false},
		"list of strings": {[]string{"test-queue"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := process(t, message(processor.Headers{"x-death": tc.claim}), errMail)
			require.ErrorIs(t, err, errMail)
			require.Equal(t, tc.over, e != nil)
		})
	}
}

func TestWhoIsJudged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		result error
		judged bool
	}{
		{nil, false},
		{errMail, true},
		{processor.Reject(errMail), true}, // the same for a broker: another round
		{processor.RetryAfter(errMail, time.Hour), true},
		{processor.Stop(errMail), true},
		{processor.Drop(errMail), false},
		{processor.Requeue(errMail), false},
		{processor.Release(errMail), false},
		{processor.ErrStop, false},
	} {
		e, err := process(t, message(died(300)), tc.result)
		require.Equal(t, tc.judged, e != nil, "%v", tc.result)
		require.ErrorIs(t, err, tc.result)
		require.Equal(t, processor.Decide(tc.result).Stop, processor.Decide(err).Stop)
	}
}

func TestAMessageThatWasCutShortHasNotFailed(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{processor.ErrShutdown, errMail} {
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := stack.New(xdeath.New(drop())).ThenFunc(func(ctx context.Context, _ processor.Message) error {
			cancel(cause)
			return ctx.Err()
		})
		require.NoError(t, err)
		err = p.Process(ctx, message(died(300)))
		require.Equal(t, processor.Failed, processor.Decide(err).Action)
		require.NotErrorIs(t, err, xdeath.ErrMaxCount)
	}
}

// If parked, it would be there beside the redelivered one.
func TestAMessageWhoseChannelIsLostIsLeftAlone(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(xdeath.New(xdeath.Park(pub, parked))).ThenFunc(func(context.Context, processor.Message) error {
		return errMail
	})
	require.NoError(t, err)
	// With FinishLost: its context lives on.
	channel, lose := context.WithCancelCause(context.Background())
	lose(processor.ErrStale)
	err = p.Process(processor.WithChannel(t.Context(), channel), message(died(300)))
	require.ErrorIs(t, err, errMail)
	require.NotErrorIs(t, err, xdeath.ErrMaxCount)
	require.Empty(t, pub.Published())
}

// If parked, it would have been there twice, or once in spite of an ack.
func TestAMessageThatTheHandlerHasSettledIsLeftAlone(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(xdeath.New(xdeath.Park(pub, parked))).ThenFunc(func(_ context.Context, msg processor.Message) error {
		return errors.Join(msg.Ack(), errMail)
	})
	require.NoError(t, err)
	require.NotErrorIs(t, p.Process(t.Context(), message(died(300))), xdeath.ErrMaxCount)
	require.Empty(t, pub.Published())
}

func TestTheAnswerDecides(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	for name, tc := range map[string]struct {
		result error
		answer func(e error) error
		want   processor.Decision
	}{
		"nil":                    {errMail, func(error) error { return nil }, processor.Decision{Action: processor.Dropped}},
		"nil, to a rejection":    {processor.Reject(errMail), func(error) error { return nil }, processor.Decision{Action: processor.Dropped}},
		"nil, to a wish to stop": {processor.Stop(errMail), func(error) error { return nil }, processor.Decision{Action: processor.Dropped, Stop: true}},
		"drop":                   {processor.Reject(errMail), processor.Drop, processor.Decision{Action: processor.Dropped}},
		"drop of something else": {processor.Reject(errMail), func(error) error { return processor.Drop(errPlace) }, processor.Decision{Action: processor.Dropped}},
		"goes on":                {errMail, func(e error) error { return e }, processor.Decision{Action: processor.Failed}},
		"goes on rejected":       {processor.Reject(errMail), func(e error) error { return e }, processor.Decision{Action: processor.Rejected}},
		"goes on, with the wish": {processor.Stop(errMail), func(e error) error { return e }, processor.Decision{Action: processor.Failed, Stop: true}},
		"fails itself":           {processor.Reject(errMail), func(error) error { return errPlace }, processor.Decision{Action: processor.Failed}},
		"requeue":                {errMail, processor.Requeue, processor.Decision{Action: processor.Requeued}},
		"requeue, with the wish": {processor.Stop(errMail), func(error) error { return processor.Requeue(errPlace) }, processor.Decision{Action: processor.Requeued, Stop: true}},
		"reject":                 {errMail, processor.Reject, processor.Decision{Action: processor.Rejected}},
		"done, then stop":        {errMail, func(error) error { return processor.ErrStop }, processor.Decision{Action: processor.Dropped, Stop: true}},
		"stop":                   {errMail, func(error) error { return processor.Stop(errPlace) }, processor.Decision{Action: processor.Failed, Stop: true}},
		"a typed nil pointer":    {errMail, func(error) error { return typedNil }, processor.Decision{Action: processor.Failed}},
		"panic":                  {errMail, func(error) error { panic(processor.Drop(errPlace)) }, processor.Decision{Action: processor.Requeued}},
		"panic, with the wish":   {processor.Stop(errMail), func(error) error { panic("no") }, processor.Decision{Action: processor.Requeued, Stop: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := stack.New(xdeath.New(xdeath.Over(func(_ context.Context, e xdeath.Event) error { return tc.answer(e.Err) }))).
				ThenFunc(func(context.Context, processor.Message) error { return tc.result })
			require.NoError(t, err)
			err = p.Process(t.Context(), message(died(300)))
			require.Equal(t, tc.want, processor.Decide(err))
			if name != "a typed nil pointer" { // its methods panic
				require.ErrorIs(t, err, errMail)
				require.ErrorIs(t, err, xdeath.ErrMaxCount)
				require.Equal(t, 1, strings.Count(err.Error(), "mail server says no"), err)
			}
		})
	}
}

func TestAHandlersErrorWhoseMethodsPanicIsJudged(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), xdeath.New(xdeath.Park(pub, parked))).
		ThenFunc(func(context.Context, processor.Message) error { return typedNil })
	require.NoError(t, err)
	msg := message(died(300))
	require.Equal(t, processor.Dropped, processor.Decide(p.Process(t.Context(), msg)).Action)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Len(t, pub.Published(), 1)
}

func TestWrongOrdersAreRefused(t *testing.T) {
	t.Parallel()
	judge := xdeath.New(drop())
	again := retry.New(&processortest.Publisher{}, "r_%attempt%", retry.ParkKey("parked"))
	for _, layers := range [][]processor.Middleware{
		{judge, ack.New()},
		{judge, again},
		{recovery.New(), judge},
		{judge, catch.New()},
	} {
		_, err := stack.New(layers...).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

// broken is a publisher that knows that it cannot work.
type broken struct{ processor.Publisher }

func (broken) Check() error { return errPlace }

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	long := strings.Repeat("x", 256)
	for want, opts := range map[string][]xdeath.Option{
		"xdeath: option 1 is nil":            {nil},
		"xdeath: MaxCount is -2":             {drop(), xdeath.MaxCount(-2)},
		"xdeath: MaxLifetime is 0s":          {drop(), xdeath.MaxLifetime(0)},
		"xdeath: there is no limit":          {drop(), xdeath.MaxCount(processor.NoLimit), xdeath.MaxLifetime(processor.NoLimit)},
		"set Park or Over":                   {xdeath.Over(nil)},
		"xdeath: Park and Over are both set": {drop(), xdeath.Park(pub, parked)},
		"xdeath: the publisher of Park":      {xdeath.Park(nil, parked)},
		"Park cannot work: no place":         {xdeath.Park(broken{pub}, parked)},
		"xdeath: the destination of Park":    {xdeath.Park(pub, processor.Destination{})},
		"exchange or key of Park is over":    {xdeath.Park(pub, processor.Destination{Exchange: long})},
		"key of Park is over 255 bytes":      {xdeath.Park(pub, processor.Destination{RoutingKey: long})},
	} {
		_, err := stack.New(xdeath.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	settings := func(opts ...xdeath.Option) []stack.Setting {
		p, err := stack.New(xdeath.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.NoError(t, err)
		return p.Describe().Layers[0].Settings
	}
	require.Equal(t, []stack.Setting{
		{Name: "queue", Value: "the message's own"},
		{Name: "max count", Value: "300"},
		{Name: "max lifetime", Value: "1h0m0s"},
		{Name: "over", Value: "by a function"},
	}, settings(drop()))
	require.Equal(t, []stack.Setting{
		{Name: "queue", Value: "mail"},
		{Name: "max count", Value: "off"},
		{Name: "max lifetime", Value: "1m0s"},
		{Name: "park", Value: `queue "parked" (default exchange)`},
	}, settings(xdeath.Queue("mail"), xdeath.MaxCount(processor.NoLimit), xdeath.MaxLifetime(time.Minute), xdeath.Park(&processortest.Publisher{}, parked)))
}

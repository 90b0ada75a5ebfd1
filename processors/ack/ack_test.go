package ack_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:     func(testing.TB) processor.Middleware { return ack.New() },
		Settles: true,
	})
}

func TestConformanceWithRequeue(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:     func(testing.TB) processor.Middleware { return ack.New(ack.RequeueOnError()) },
		Settles: true,
	})
}

var errMail = errors.New("mail server says no")

func process(t *testing.T, ctx context.Context, msg processor.Message, result error, opts ...ack.Option) error {
	t.Helper()
	p, err := stack.New(ack.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return result })
	require.NoError(t, err)
	return p.Process(ctx, msg)
}

func TestSettlementFollowsTheDecision(t *testing.T) {
	t.Parallel()
	requeue := []ack.Option{ack.RequeueOnError()}
	for _, tc := range []struct {
		name   string
		result error
		opts   []ack.Option
		want   processortest.Settlement
	}{
		{"success", nil, nil, processortest.Acked},
		{"stop after success", processor.ErrStop, nil, processortest.Acked},
		{"drop", processor.Drop(errMail), requeue, processortest.Acked},
		{"error", errMail, nil, processortest.Rejected},
		{"error, requeue on error", errMail, requeue, processortest.Requeued},
		{"reject, requeue on error", processor.Reject(errMail), requeue, processortest.Rejected},
		{"requeue, whatever the option", processor.Requeue(errMail), nil, processortest.Requeued},
		{"stop with an error", processor.Stop(errMail), nil, processortest.Rejected},
		{"stop and requeue", processor.Stop(processor.Requeue(errMail)), nil, processortest.Requeued},
		{"retry later, with nothing that could", processor.RetryAfter(errMail, 1), nil, processortest.Rejected},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			msg := processortest.NewMessage()
			err := process(t, t.Context(), msg, tc.result, tc.opts...)
			require.ErrorIs(t, err, tc.result)
			require.Equal(t, []processortest.Settlement{tc.want}, msg.Settlements())
		})
	}
}

func TestCutShortGoesBackToTheQueue(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg := processortest.NewMessage()
	require.ErrorIs(t, process(t, ctx, msg, ctx.Err()), context.Canceled)
	require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
}

func TestAMessageThatWasNotBegunIsLeftToWhoeverRunsThePipeline(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]ack.Option{nil, {ack.RequeueOnError()}} {
		msg := processortest.NewMessage()
		require.ErrorIs(t, process(t, t.Context(), msg, processor.Release(errMail), opts...), errMail)
		require.Empty(t, msg.Settlements())
	}
}

func TestShutdownLeavesTheMessageToTheConsumer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("deadline: %w", processor.ErrShutdown))
	for name, tc := range map[string]struct {
		result error
		want   []processortest.Settlement
	}{
		"cut short":        {ctx.Err(), nil},
		"asked to requeue": {processor.Requeue(errMail), nil},
		"succeeded":        {nil, []processortest.Settlement{processortest.Acked}},
		"rejected":         {processor.Reject(errMail), []processortest.Settlement{processortest.Rejected}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			msg := processortest.NewMessage()
			require.ErrorIs(t, process(t, ctx, msg, tc.result), tc.result)
			require.Equal(t, tc.want, msg.Settlements())
		})
	}
}

func TestFailedSettlementIsReportedOnceAndNotTriedAgain(t *testing.T) {
	t.Parallel()
	broken := errors.New("channel is broken")
	for _, result := range []error{nil, errMail} {
		msg := processortest.NewMessage(processortest.FailSettling(broken))
		err := process(t, t.Context(), msg, result)
		require.ErrorIs(t, err, broken)
		if result != nil {
			require.ErrorIs(t, err, result)
		}
		require.Len(t, msg.Settlements(), 1)
	}
}

func TestStaleSettlementIsNoError(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.FailSettling(processor.ErrStale))
	require.NoError(t, process(t, t.Context(), msg, nil))
	msg = processortest.NewMessage(processortest.FailSettling(processor.ErrStale))
	require.Equal(t, errMail, process(t, t.Context(), msg, errMail))
}

func TestHandlerThatSettlesItselfIsLeftAlone(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New()).ThenFunc(func(_ context.Context, msg processor.Message) error { return msg.Ack() })
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestNilOptionShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	_, err := stack.New(ack.New(nil)).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.ErrorContains(t, err, "ack: option 1 is nil")
}

func TestAfterIsCalledOnceForWhatIsAcked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result error
		opts   []processortest.Option
		calls  int
	}{
		"done":           {nil, nil, 1},
		"dropped":        {processor.Drop(errMail), nil, 1},
		"stopped":        {processor.ErrStop, nil, 1},
		"failed":         {errMail, nil, 0},
		"rejected":       {processor.Reject(errMail), nil, 0},
		"requeued":       {processor.Requeue(errMail), nil, 0},
		"released":       {processor.Release(errMail), nil, 0},
		"the ack fails":  {nil, []processortest.Option{processortest.FailSettling(errMail)}, 0},
		"its channel is": {nil, []processortest.Option{processortest.FailSettling(processor.ErrStale)}, 0},
	} {
		calls := 0
		msg := processortest.NewMessage(tc.opts...)
		_ = process(t, t.Context(), msg, tc.result, ack.After(func(_ context.Context, m processor.Message) {
			require.Same(t, msg, m)
			require.True(t, m.Settled())
			calls++
		}))
		require.Equal(t, tc.calls, calls, name)
	}
}

func TestAnAfterThatPanicsLeavesTheMessageAcked(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, processor.Drop(errMail), processor.ErrStop} {
		msg := processortest.NewMessage()
		err := process(t, t.Context(), msg, result, ack.After(func(context.Context, processor.Message) { panic("a bug") }))
		require.Error(t, err)
		require.Equal(t, processor.Dropped, processor.Decide(err).Action)
		require.Equal(t, processor.Decide(result).Stop, processor.Decide(err).Stop)
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	}
}

func TestANilAfterIsNone(t *testing.T) {
	t.Parallel()
	require.NoError(t, process(t, t.Context(), processortest.NewMessage(), nil, ack.After(nil)))
}

func ExampleNew() {
	handler := func(context.Context, processor.Message) error { return errors.New("no") }
	pipeline, err := stack.New(ack.New()).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	msg := processortest.NewMessage()
	fmt.Println(pipeline.Process(context.Background(), msg))
	fmt.Println(msg.Settlements())
	// Output:
	// no
	// [nack without requeue]
}

// A handler stores a job, and After wakes who works on it.
func ExampleAfter() {
	wake := make(chan string, 1)
	pipeline, err := stack.New(ack.New(ack.After(func(_ context.Context, msg processor.Message) {
		wake <- msg.Properties().ID
	}))).ThenFunc(func(context.Context, processor.Message) error {
		return nil // the job is in the database
	})
	if err != nil {
		panic(err)
	}
	msg := processortest.NewMessage()
	fmt.Println(pipeline.Process(context.Background(), msg), msg.Settlements())
	fmt.Println("work on", <-wake)
	// Output:
	// <nil> [ack]
	// work on test-message
}

package consumer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// The first one that fails ends all; they drain at the same time.
func TestTheFirstErrorDrainsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inFlight := make(chan struct{})
		slow := func(ctx context.Context, _ processor.Message) error {
			inFlight <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		fails := func(context.Context, processor.Message) error {
			<-inFlight
			<-inFlight
			return processor.Stop(errMail)
		}
		drain := consumer.DrainTimeout(10 * time.Second)
		newOne := func(h processor.ProcessorFunc) *consumer.Consumer {
			return must.Have(consumer.New(newQueue(messages(1)...), acked(t, h), quiet(), drain))
		}
		begun := time.Now()
		err := consumer.RunAll(t.Context(), newOne(slow), newOne(slow), newOne(fails))
		require.ErrorIs(t, err, errMail)
		require.ErrorContains(t, err, "consumer 3 of 3")
		require.Equal(t, 10*time.Second, time.Since(begun), "not one drain after the other")
	})
}

func TestOneThatEndsLeavesTheOthersRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ends := must.Have(consumer.New(newQueue(messages(1)...), acked(t, func(context.Context, processor.Message) error { return processor.ErrStop }), quiet()))
		goesOn := must.Have(consumer.New(newQueue(), acked(t, sink), quiet()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		require.NoError(t, consumer.RunAll(ctx, ends, goesOn))
		require.Equal(t, time.Hour, time.Since(begun))
	})
}

func TestRunAllRefusesWhatItCannotRun(t *testing.T) {
	t.Parallel()
	c := must.Have(consumer.New(newQueue(), acked(t, sink)))
	require.ErrorContains(t, consumer.RunAll(t.Context()), "no consumer")
	require.ErrorContains(t, consumer.RunAll(t.Context(), c, nil), "consumer 2 is nil")
	require.ErrorContains(t, consumer.RunAll(t.Context(), c, c), "consumers 1 and 2 are the same")
}

func TestAbortEndsTheMessagesInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		c := must.Have(consumer.New(newQueue(messages(1)...), acked(t, func(ctx context.Context, _ processor.Message) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		}), quiet()))
		c.Abort() // nothing runs
		begun := time.Now()
		time.AfterFunc(time.Second, c.Abort)
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, time.Second, time.Since(begun))
		require.ErrorIs(t, cause, processor.ErrShutdown)
		c.Abort() // works after the run
	})
}

func TestOnReadyIsCalledOncePerRun(t *testing.T) {
	t.Parallel()
	var calls []string
	c := must.Have(consumer.New(mailbox(t, 2).Source("mail"), acked(t, func(context.Context, processor.Message) error {
		calls = append(calls, "message")
		return processor.ErrStop
	}), quiet(), consumer.OnReady(func() { calls = append(calls, "a") }), consumer.OnReady(func() { calls = append(calls, "b") })))
	require.NoError(t, c.Run(t.Context()))
	require.NoError(t, c.Run(t.Context()))
	require.Equal(t, []string{"a", "b", "message", "a", "b", "message"}, calls)

	refusing := newQueue()
	refusing.failure = errMail
	refuses := must.Have(consumer.New(refusing, acked(t, sink), quiet(), consumer.OnReady(func() { calls = nil })))
	require.Error(t, refuses.Run(t.Context()))
	require.NotEmpty(t, calls)

	panics := must.Have(consumer.New(newQueue(messages(1)...), acked(t, sink), quiet(), consumer.OnReady(func() { panic("a bug") })))
	require.ErrorContains(t, panics.Run(t.Context()), "OnReady panicked: a bug")
	require.Zero(t, panics.Stats().Received)
}

func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	one := consumer.Stats{Received: 1, Done: 2, Dropped: 3, Rejected: 4, Failed: 5, Requeued: 6, Released: 7, InFlight: 8, Waiting: 9}
	require.Equal(t, consumer.Stats{Received: 2, Done: 4, Dropped: 6, Rejected: 8, Failed: 10, Requeued: 12, Released: 14, InFlight: 16, Waiting: 18}, one.Plus(one))
}

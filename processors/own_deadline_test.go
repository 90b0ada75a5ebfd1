package processors_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/processors/throttle"
	"github.com/gowarren/warren/processors/xdeath"
)

// late is the context of a message that has a deadline of its own, which has passed.
func late(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(processor.WithChannel(t.Context(), t.Context()), time.Unix(0, 0))
	t.Cleanup(cancel)
	return ctx
}

// heeds is a handler that heeds its context.
func heeds(ctx context.Context, _ processor.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// Each layer took the end of a context that a user had made for the end of the run: nothing was answered, parked,
// counted or caught.
func TestEachLayerTakesADeadlineOfTheMessagesOwnForAFailure(t *testing.T) {
	t.Parallel()
	to := processor.Destination{RoutingKey: "q"}
	p := &processortest.Publisher{}
	for name, tc := range map[string]struct {
		layer processor.Middleware
		want  processor.Action
	}{
		"catch":   {catch.New(catch.Logger(silent())), processor.Done},
		"reply":   {reply.New(p, remote.JSON), processor.Rejected},
		"respond": {respond.New(p, respond.Errors(to, nil, nil)), processor.Dropped},
		"xdeath":  {xdeath.New(xdeath.MaxCount(1), xdeath.Park(p, to), xdeath.Logger(silent())), processor.Dropped},
	} {
		pipeline := must.Have(stack.New(tc.layer).ThenFunc(heeds))
		sent := len(p.Published())
		err := pipeline.Process(late(t), processortest.NewMessage(
			processortest.Properties(processor.Properties{ReplyTo: "caller"}), processortest.Header("x-death", []any{
				processor.Headers{"queue": "test-queue", "reason": "rejected", "count": int64(3)},
			})))
		require.Equal(t, tc.want, processor.Decide(err).Action, "%s: %v", name, err)
		if name != "catch" {
			require.Len(t, p.Published(), sent+1, name)
		}
	}
	opened := make(chan breaker.State, 1)
	b := breaker.New("mail server", breaker.Failures(1), breaker.Logger(silent()), breaker.OnStateChange(func(s breaker.State) { opened <- s }))
	_ = must.Have(stack.New(b).ThenFunc(heeds)).Process(late(t), processortest.NewMessage())
	require.Equal(t, breaker.Open, <-opened)
}

// A message whose own time is too short to be begun went back untouched again and again, and was never parked.
func TestAMessageWithoutTimeToBeginHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(database{})
		defer func() { _ = db.Close() }()
		for name, layer := range map[string]processor.Middleware{
			"dedup":    dedup.New(heedingStore{}, dedup.Logger(silent())),
			"sqltx":    sqltx.New(db, sqltx.Logger(silent())),
			"throttle": throttle.New(rate.NewLimiter(1, 1)),
		} {
			msg := processortest.NewMessage()
			err := must.Have(stack.New(ack.New(), layer).ThenFunc(heeds)).Process(late(t), msg)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.Equal(t, processor.Failed, processor.Decide(err).Action, name)
			require.Equal(t, []processortest.Settlement{processortest.Rejected}, msg.Settlements(), name)
		}
	})
}

// The limiter knows at once that the token comes too late, while the message's time lasts. It was given back then, again and again.
func TestAMessageWhoseTokenComesTooLateHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, begun := rate.NewLimiter(1, 1), time.Now()
		require.True(t, limiter.Allow())
		alive := processor.WithChannel(t.Context(), t.Context())
		ctx, cancel := context.WithTimeout(alive, 100*time.Millisecond)
		defer cancel()
		p := must.Have(stack.New(ack.New(), throttle.New(limiter)).ThenFunc(func(context.Context, processor.Message) error { return nil }))
		err := p.Process(ctx, processortest.NewMessage())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, processor.Failed, processor.Decide(err).Action)
		require.Equal(t, 100*time.Millisecond, time.Since(begun))
		ctx, cancel = context.WithTimeout(alive, time.Second)
		defer cancel()
		require.NoError(t, p.Process(ctx, processortest.NewMessage()), "the one that had no time has not used up the token")
		require.Equal(t, time.Second, time.Since(begun))
	})
}

// heedingStore is a store that heeds its context.
type heedingStore struct{}

func (heedingStore) Seen(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }
func (heedingStore) Mark(ctx context.Context, _ string) error         { return ctx.Err() }

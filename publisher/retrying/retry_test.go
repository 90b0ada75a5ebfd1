package retrying_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/retrying"
)

// handle makes a message fail whose copy is published through next.
func handle(ctx context.Context, t *testing.T, next processor.Publisher, opts ...retrying.Option) *processortest.Message {
	t.Helper()
	p, err := stack.New(ack.New(), retry.New(must.Have(retrying.New(next, opts...)), "retry_%attempt%")).
		ThenFunc(func(context.Context, processor.Message) error { return errOdd })
	require.NoError(t, err)
	msg := processortest.NewMessage()
	_ = p.Process(ctx, msg)
	return msg
}

func TestUnderRetryACopyThatPassesLaterIsPublishedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := newScript(processor.ErrRefused, processor.ErrIndeterminate, nil)
		require.Equal(t, []processortest.Settlement{processortest.Acked}, handle(t.Context(), t, next).Settlements())
		require.Len(t, next.at, 3)
	})
}

// For retry there is one try, and KeepTrying bounds it.
func TestUnderRetryAMessageIsHeldAndNeverLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		next := newScript(processor.ErrRefused)
		msg := handle(ctx, t, next)
		require.True(t, msg.Returned(), "%v", msg)
		require.LessOrEqual(t, time.Since(next.start), retry.DefaultKeepTrying+time.Second)

		next = newScript(processor.ErrRefused)
		msg = handle(t.Context(), t, next, retrying.Retries(3))
		require.True(t, msg.Returned(), "%v", msg)
		require.Less(t, time.Since(next.start), retry.DefaultKeepTrying+5*time.Second)
	})
}

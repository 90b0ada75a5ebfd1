package publish

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// Each publish to an exchange paid for the question that only the first asks.
func TestAKnownExchangeCostsNothing(t *testing.T) {
	c := newChannel()
	c.exchanges.know("x")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := c.exists(context.Background(), "x"); err != nil {
			t.Error(err)
		}
	}))
}

// All calls to a place waited for one question, for as long as the broker did not answer it.
func TestAQuestionWithoutAnAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := life.New(t.Context(), slog.New(slog.DiscardHandler))
		start := time.Now()
		err := inTime(l, func(context.Context) error { time.Sleep(time.Hour); return nil })
		require.ErrorIs(t, err, errNotSent)
		require.Equal(t, life.AnswerTimeout, time.Since(start))
		require.NoError(t, inTime(l, func(context.Context) error { return nil }))
		l.End()
		late := func(context.Context) error { time.Sleep(time.Hour); return nil }
		require.NotErrorIs(t, inTime(l, late), errNotSent, "after the end of the life it is not asked again")
		<-l.Close()
	})
}

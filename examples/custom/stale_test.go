package main

import (
	"context"
	"log/slog"
	"os"
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
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What every processor owes its users.
func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return rejectStale },
	})
}

func TestOnlyWhatCameTooLateIsRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // on a clock that stands still
		for name, tc := range map[string]struct {
			sent time.Time
			want processor.Action
		}{
			"just in time":      {time.Now().Add(-maxAge), processor.Done},
			"too late":          {time.Now().Add(-maxAge - time.Nanosecond), processor.Rejected},
			"from the future":   {time.Now().Add(time.Hour), processor.Done},
			"without timestamp": {time.Time{}, processor.Done},
		} {
			handled := false
			p := rejectStale(processor.ProcessorFunc(func(context.Context, processor.Message) error {
				handled = true
				return nil
			}))
			msg := processortest.NewMessage(processortest.Properties(processor.Properties{Timestamp: tc.sent}))
			require.Equal(t, tc.want, processor.Decide(p.Process(t.Context(), msg)).Action, name)
			require.Equal(t, tc.want == processor.Done, handled, name)
		}
	})
}

func TestWhatIsRejectedIsParked(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	p, err := stack.New(
		ack.New(),
		retry.New(pub, "codes_retry_%attempt%", retry.ParkKey("codes_parked"), retry.Logger(slog.New(slog.DiscardHandler))),
		rejectStale,
	).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)

	msg := processortest.NewMessage(processortest.Properties(processor.Properties{Timestamp: time.Now().Add(-time.Hour)}))
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, "codes_parked", pub.Published()[0].To.RoutingKey)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestAStackRefusesItWhereItComesTooLate(t *testing.T) {
	t.Parallel()
	for _, outer := range []processor.Middleware{ack.New(), retry.New(&processortest.Publisher{}, "retry_%attempt%")} {
		_, err := stack.New(rejectStale, outer).
			ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

func TestAProcessorTakesUnderThirtyLines(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("stale.go")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(source), "\n"), 30)
}

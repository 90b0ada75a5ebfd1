package replay_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
)

func TestTheRateIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		park(t, b, parkedQueue, 21, nil)
		start := time.Now()
		var moved []time.Duration
		_, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Rate(2), replay.Filter(even),
			replay.OnEvent(func(e replay.Event) {
				if e.Outcome == replay.Moved {
					moved = append(moved, time.Since(start))
				}
			}))
		require.NoError(t, err)
		require.Len(t, moved, 11)
		for i, at := range moved {
			require.Equal(t, time.Duration(i)*time.Second/2, at, "what stays does not wait")
		}
	})
}

func TestACancelledRunGivesAllBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		park(t, b, parkedQueue, 100, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		start := time.Now()
		counts, err := replay.Run(ctx, b, parkedQueue, fromMail, replay.Rate(1), replay.Filter(even))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3500*time.Millisecond, time.Since(start))
		require.Equal(t, replay.Counts{Total: 100, Seen: 8, Moved: 4, Left: 4}, counts)
		require.Equal(t, []string{"0", "2", "4", "6"}, ids(t, b, "mail", 4))
		require.Equal(t, "1", ids(t, b, parkedQueue, 96)[0])
	})
}

// Messages that stay are seen again in each round, and counted in the last.
func TestWhatIsHeldForTooLongGoesBackAndTheRunBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		park(t, b, parkedQueue, 100, nil)
		start := time.Now()
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Rate(1), replay.Filter(even),
			replay.HoldFor(10*time.Second+time.Millisecond))
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 100, Seen: 100, Moved: 50, Left: 50}, counts)
		require.Less(t, time.Since(start), time.Minute)
		require.Equal(t, 50, ready(t, b, "mail"))
		require.Equal(t, "1", ids(t, b, parkedQueue, 50)[0])
	})
}

func TestARunThatOnlyHoldsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		park(t, b, parkedQueue, 100, nil)
		_, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.HoldFor(time.Second),
			replay.Filter(func(processor.Message) bool { time.Sleep(50 * time.Millisecond); return false }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100, ready(t, b, parkedQueue))
	})
}

// Another consumer has taken the messages that the run waits for.
func TestOthersMayTakeMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		park(t, b, parkedQueue, 200, nil)
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.OnEvent(func(e replay.Event) {
			if e.Counts.Seen == 1 { // the run has 64 in flight, and this takes the rest
				require.NoError(t, takeAll(t, b))
			}
		}))
		require.NoError(t, err)
		require.Equal(t, 200, counts.Total)
		require.Equal(t, counts.Moved, counts.Seen)
		require.Less(t, counts.Seen, 200)
		require.Zero(t, ready(t, b, parkedQueue))
	})
}

func takeAll(t *testing.T, b *memory.Broker) error {
	t.Helper()
	n := ready(t, b, parkedQueue)
	sub, err := b.Source(parkedQueue).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: n})
	require.NoError(t, err)
	for range n {
		msg, err := sub.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, msg.Ack())
	}
	return sub.Close(t.Context())
}

// hanging is a broker that takes no messages.
type hanging struct{ *memory.Broker }

func (h hanging) Publisher() processor.Publisher {
	return processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, _ processor.Envelope) error {
		<-ctx.Done()
		return processor.ErrBlocked
	})
}

func TestABrokerThatHangsHoldsUpTheEndForFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := hanging{open(t)}
		park(t, b.Broker, parkedQueue, 3, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		counts, err := replay.Run(ctx, b, parkedQueue, fromMail)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.Equal(t, 65*time.Second, time.Since(start))
		require.Equal(t, replay.Counts{Total: 3}, counts)
		require.Equal(t, 3, ready(t, b, parkedQueue))
	})
}

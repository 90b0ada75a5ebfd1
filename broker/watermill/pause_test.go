package watermill_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/must"
)

// alone is a slow subscriber that allows one subscription.
type alone struct{ now, total atomic.Int64 }

func (a *alone) subscribe(ctx context.Context) (<-chan *message.Message, error) {
	time.Sleep(time.Second)
	a.total.Add(1)
	if a.now.Add(1) > 1 {
		a.now.Add(-1)
		return nil, errors.New("one subscriber at a time")
	}
	out := make(chan *message.Message)
	context.AfterFunc(ctx, func() {
		a.now.Add(-1)
		close(out)
	})
	return out, nil
}

// Each Resume subscribed, and the second one was refused.
func TestPausesInQuickSuccessionSubscribeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &alone{}
		sub := subscribe(t, must.Have(watermill.NewSource(subscriberFunc(a.subscribe), "mail", watermill.Discard(nil))), 1)
		<-sub.Pause()
		for range 3 {
			sub.Resume()
			sub.Pause()
		}
		sub.Resume()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := sub.Receive(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, int64(2), a.total.Load())
		<-sub.Pause()
		require.Zero(t, a.now.Load())
	})
}

func TestNothingIsSubscribedAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &alone{}
		sub := subscribe(t, must.Have(watermill.NewSource(subscriberFunc(a.subscribe), "mail", watermill.Discard(nil))), 1)
		<-sub.Pause()
		sub.Resume()
		require.NoError(t, sub.Close(t.Context()))
		closed := a.total.Load()
		time.Sleep(time.Minute)
		require.Equal(t, closed, a.total.Load())
		require.Zero(t, a.now.Load())
	})
}

// flaky is a subscriber that fails some times after its first subscription.
type flaky struct {
	alone

	failures atomic.Int64
}

func (f *flaky) subscribe(ctx context.Context) (<-chan *message.Message, error) {
	if f.total.Load() > 0 && f.failures.Add(-1) >= 0 {
		return nil, errors.New("connection refused")
	}
	return f.alone.subscribe(ctx)
}

// A pause is often because of an outage, in which the first subscription after it fails. That ended the run.
func TestASubscriptionThatFailsAfterAPauseIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{}
			f.failures.Store(20)
			source := must.Have(watermill.NewSource(subscriberFunc(f.subscribe), "mail", watermill.Discard(nil)))
			sub := must.Have(source.Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1, Ordered: ordered}))
			<-sub.Pause()
			sub.Resume()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			_, err := sub.Receive(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, int64(2), f.total.Load())
			require.NoError(t, sub.Close(t.Context()))
		})
	}
}

func TestAPauseAndTheCloseEndTheTriesToSubscribe(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, sub broker.Subscription){
		"pause": func(_ *testing.T, sub broker.Subscription) { sub.Pause() },
		"close": func(t *testing.T, sub broker.Subscription) {
			t.Helper()
			require.NoError(t, sub.Close(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &flaky{}
				f.failures.Store(1000)
				sub := subscribe(t, must.Have(watermill.NewSource(subscriberFunc(f.subscribe), "mail", watermill.Discard(nil))), 1)
				<-sub.Pause()
				sub.Resume()
				time.Sleep(time.Minute)
				end(t, sub)
				time.Sleep(10 * time.Second)
				left := f.failures.Load()
				require.Less(t, left, int64(990))
				time.Sleep(time.Minute)
				require.Equal(t, left, f.failures.Load())
				if name == "pause" {
					f.failures.Store(0)
					sub.Resume()
					time.Sleep(10 * time.Second)
					require.Equal(t, int64(2), f.total.Load())
				}
			})
		})
	}
}

// deaf is a subscriber that does not close its channel.
func deaf(context.Context) (<-chan *message.Message, error) { return make(chan *message.Message), nil }

// It was waited for without end, and the goroutine outlived the close.
func TestASubscriberThatDoesNotCloseItsChannelIsLeftBehind(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, sub broker.Subscription){
		"resumed": func(t *testing.T, sub broker.Subscription) {
			t.Helper()
			<-sub.Pause()
			sub.Resume()
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := sub.Receive(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		},
		"paused": func(t *testing.T, sub broker.Subscription) {
			t.Helper()
			sub.Pause()
			sub.Resume()
		},
		"closed": func(*testing.T, broker.Subscription) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := must.Have(watermill.NewSource(subscriberFunc(deaf), "mail", watermill.Discard(nil)))
				sub := must.Have(source.Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1, Ordered: true}))
				end(t, sub)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorIs(t, sub.Close(ctx), context.DeadlineExceeded)
				time.Sleep(5 * time.Minute) // the bubble ends only with all goroutines
			})
		})
	}
}

// stubborn is a subscriber that does not heed the end of its context, and redelivers a message at once.
type stubborn struct{ sent atomic.Int64 }

func (s *stubborn) subscribe(context.Context) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		for {
			msg := message.NewMessage("1", nil)
			select {
			case out <- msg:
				s.sent.Add(1)
			case <-time.After(time.Hour):
				return // left behind
			}
			select {
			case <-msg.Nacked():
			case <-msg.Acked():
			}
		}
	}()
	return out, nil
}

// Its messages were nacked without end and without a pause, and nothing went on after it.
func TestASubscriberThatGoesOnDeliveringIsLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s stubborn
		source := must.Have(watermill.NewSource(subscriberFunc(s.subscribe), "mail", watermill.Discard(nil)))
		sub := must.Have(source.Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1, Ordered: true}))
		start := time.Now()
		<-sub.Pause()
		require.InDelta(t, 5*time.Minute, time.Since(start), float64(time.Second))
		require.Less(t, s.sent.Load(), int64(40_000), "a hundred a second")
		require.NoError(t, sub.Close(t.Context()))
		time.Sleep(2 * time.Hour)
	})
}

// A topic that was deleted, or is forbidden now, was tried without end, and no error told of it but in the log.
func TestATopicThatCannotBeSubscribedAgainEndsTheSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flaky
		f.failures.Store(1_000_000)
		source := must.Have(watermill.NewSource(subscriberFunc(f.subscribe), "mail", watermill.Discard(nil)))
		sub := must.Have(source.Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1}))
		<-sub.Pause()
		start := time.Now()
		sub.Resume()
		_, err := sub.Receive(t.Context())
		require.ErrorContains(t, err, "connection refused")
		require.ErrorContains(t, err, `topic "mail"`)
		require.InDelta(t, 5*time.Minute, time.Since(start), float64(10*time.Second))
		require.NoError(t, sub.Close(t.Context()))
	})
}

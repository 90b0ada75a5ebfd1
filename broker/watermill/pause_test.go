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

package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// Publishers run, and consumers that come and go and settle in every way, all at once:
// every confirmed message is acked, exactly once.
func TestStressNothingIsLost(t *testing.T) {
	t.Parallel()
	const publishers, each, consumers = 4, 100, 4
	b := open(t, []broker.Queue{
		{Name: "q", DeadLetter: toQueue("wait")},
		{Name: "wait", MessageTTL: time.Millisecond, DeadLetter: toQueue("q")},
	}, memory.OnDrop(func(d memory.Drop) { t.Errorf("dropped: %+v", d) }))

	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for n := range each {
				if err := try(t, b, "q", fmt.Sprint(p, "/", n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var acked sync.Map
	var left atomic.Int64
	left.Store(publishers * each)
	done := func(body string) {
		if _, twice := acked.LoadOrStore(body, true); twice {
			t.Errorf("%s was acked twice", body)
		}
		if left.Add(-1) == 0 {
			cancel()
		}
	}
	for range consumers {
		running.Go(func() {
			for ctx.Err() == nil {
				consume(ctx, t, b, done)
			}
		})
	}
	running.Wait()
	require.Zero(t, left.Load())
	require.Zero(t, ready(t, b, "q"))
}

// consume subscribes, takes some messages, settles most of them and goes.
func consume(ctx context.Context, t *testing.T, b *memory.Broker, done func(string)) {
	s, err := b.Source("q").Subscribe(context.WithoutCancel(ctx), broker.SubscribeOptions{Prefetch: 1 + rand.IntN(10), Ordered: rand.IntN(2) == 0})
	if err != nil {
		t.Error(err)
		return
	}
	var abandoned processor.Message
	for n := rand.IntN(50); n > 0 && abandoned == nil; n-- { // the prefetch may be 1
		m, err := s.Receive(ctx)
		if err != nil {
			break
		}
		switch rand.IntN(8) {
		case 0:
			err = m.Nack(true)
		case 1:
			err = m.Nack(false)
		case 2:
			err = release(m)
		case 3:
			abandoned = m
		default:
			done(string(m.Body()))
			err = m.Ack()
		}
		if err != nil {
			t.Error(err)
		}
	}
	if rand.IntN(2) == 0 {
		s.Pause()
	}
	_ = s.Close(ctx)
	if abandoned != nil && !errors.Is(abandoned.Ack(), processor.ErrStale) {
		t.Error("an ack after close was taken")
	}
}

// A receive that is cancelled while a message comes either has the message or has not
// taken it.
func TestStressCancelledReceives(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	s := subscribe(t, b, "q", 1)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { publish(t, b, "q", "m") })
		running.Go(cancel)
		m, err := s.Receive(ctx)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			m, err = s.Receive(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, m.Ack())
		running.Wait()
	}
	require.Zero(t, ready(t, b, "q"))
}

// The broker is closed while everything is in use, timers too; goleak finds leaks.
func TestStressClose(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{
		{Name: "q", MessageTTL: time.Millisecond, DeadLetter: toQueue("dead")},
		{Name: "dead", Expires: time.Millisecond},
	})
	var running sync.WaitGroup
	var published atomic.Int64
	busy, enough := make(chan struct{}), 1+rand.Int64N(2000)
	for range 4 {
		running.Go(func() {
			for !errors.Is(try(t, b, "q", "m"), processor.ErrClosed) {
				if published.Add(1) == enough {
					close(busy)
				}
			}
		})
		running.Go(func() {
			s, err := b.Source("q").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 2})
			if err != nil {
				return // closed already
			}
			for {
				m, err := s.Receive(t.Context())
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					return
				}
				if err := m.Ack(); err != nil && !errors.Is(err, processor.ErrStale) {
					t.Error(err)
				}
			}
		})
	}
	<-busy
	for range 2 {
		running.Go(func() { _ = b.Close(t.Context()) })
	}
	running.Wait()
}

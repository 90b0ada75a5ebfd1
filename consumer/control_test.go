package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// helm is a layer through which a test steers the run.
type helm struct {
	processor.Processor
	run   stack.Run
	idled atomic.Int64
}

func (h *helm) Start(ctx context.Context) error {
	h.run = stack.RunFrom(ctx)
	return nil
}

func (h *helm) Idle(context.Context) error { h.idled.Add(1); return nil }

// steered is an acked pipeline with a helm.
func steered(t *testing.T, handle processor.ProcessorFunc) (*helm, *stack.Pipeline) {
	t.Helper()
	h := &helm{}
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New()).Then(handle)
	require.NoError(t, err)
	return h, p
}

// mailbox is a memory broker with n messages in queue "mail".
func mailbox(t *testing.T, n int) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	for i := range n {
		deliver(t, b, fmt.Sprint(i))
	}
	return b
}

func deliver(t *testing.T, b *memory.Broker, id string) {
	t.Helper()
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"},
		processor.Envelope{Properties: processor.Properties{ID: id}}))
}

func ready(t *testing.T, b *memory.Broker) int {
	t.Helper()
	n, err := b.Ready(t.Context(), "mail")
	require.NoError(t, err)
	return n
}

func TestALayerEndsTheRunAfterWhatIsInHand(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{nil, errMail} {
		synctest.Test(t, func(t *testing.T) {
			b := mailbox(t, 5)
			var h *helm
			h, p := steered(t, func(ctx context.Context, _ processor.Message) error {
				h.run.End(reason)
				h.run.End(errors.New("the first reason counts"))
				time.Sleep(10 * time.Second)
				return ctx.Err()
			})
			c := must.Have(consumer.New(b.Source("mail"), p, quiet()))
			require.ErrorIs(t, c.Run(t.Context()), reason)
			require.Equal(t, consumer.Stats{Received: 1, Done: 1}, c.Stats())
			require.Equal(t, 4, ready(t, b))
		})
	}
}

func TestALayerAbortsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 5)
		var h *helm
		h, p := steered(t, func(ctx context.Context, _ processor.Message) error {
			h.run.Abort(nil)
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), processor.ErrShutdown)
			return ctx.Err()
		})
		start := time.Now()
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, quiet())).Run(t.Context()))
		require.Zero(t, time.Since(start))
		require.Equal(t, 5, ready(t, b))
	})
}

func TestALayerThatEndsTheRunWhileItStarts(t *testing.T) {
	t.Parallel()
	b := mailbox(t, 1)
	h, p := steered(t, func(context.Context, processor.Message) error { return nil })
	c := must.Have(consumer.New(b.Source("mail"), starter{p, func() error { h.run.End(errMail); return nil }}, quiet()))
	require.ErrorIs(t, c.Run(t.Context()), errMail)
	require.Zero(t, c.Stats().Received)
}

// starter does something when its pipeline starts.
type starter struct {
	*stack.Pipeline
	start func() error
}

func (s starter) Start(ctx context.Context) error {
	return errors.Join(s.Pipeline.Start(ctx), s.start())
}

// decorator shows what it wraps, and has no lifecycle of its own.
type decorator struct{ processor.Processor }

func (d decorator) Unwrap() processor.Processor { return d.Processor }

func TestADecoratedPipelineIsStartedAndIdles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 1)
		h, p := steered(t, func(context.Context, processor.Message) error { return nil })
		c := must.Have(consumer.New(b.Source("mail"), decorator{p}, quiet()))
		time.AfterFunc(time.Minute, func() { h.run.End(errMail) })
		require.ErrorIs(t, c.Run(t.Context()), errMail)
		require.Equal(t, uint64(1), c.Stats().Done)
		require.NoError(t, p.Start(t.Context()), "it was stopped")
	})
}

func TestAPauseLeavesTheQueueUntouched(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			b := mailbox(t, 20)
			begun := make(chan struct{}, 100)
			finish := make(chan struct{})
			h, p := steered(t, func(context.Context, processor.Message) error {
				begun <- struct{}{}
				<-finish
				return nil
			})
			ctx, cancel := context.WithCancel(t.Context())
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(workers), quiet()))
			result := make(chan error)
			go func() { result <- c.Run(ctx) }()
			for range workers {
				<-begun
			}

			resume, again := h.run.Pause(), h.run.Pause()
			synctest.Wait()
			require.Equal(t, 20-workers, ready(t, b), "what nobody has begun is in the queue")
			close(finish)
			time.Sleep(time.Minute)
			require.Equal(t, 20-workers, ready(t, b))
			require.Equal(t, uint64(workers), c.Stats().Done, "what was in hand is settled")
			require.Zero(t, h.idled.Load(), "a run that is paused knows nothing of the queue")

			resume()
			resume()
			time.Sleep(time.Minute)
			require.Equal(t, 20-workers, ready(t, b), "the other pause is still on")
			again()
			synctest.Wait()
			require.Equal(t, uint64(20), c.Stats().Done)
			require.Equal(t, uint64(20), c.Stats().Received, "nothing was delivered twice to a worker")
			cancel()
			require.NoError(t, <-result)
		})
	}
}

// A message in flight may outlast the pause: it is settled on the subscription that it came from,
// while the next one works.
func TestAPauseDoesNotWaitForWhatIsInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 5)
		slow := make(chan struct{})
		h, p := steered(t, func(_ context.Context, msg processor.Message) error {
			if msg.Properties().ID == "0" {
				<-slow
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(2), quiet()))
		result := make(chan error)
		go func() { result <- c.Run(ctx) }()
		synctest.Wait()
		h.run.Pause()()
		deliver(t, b, "5")
		synctest.Wait()
		require.Equal(t, uint64(5), c.Stats().Done)
		close(slow)
		synctest.Wait()
		require.Equal(t, consumer.Stats{Received: 6, Done: 6}, c.Stats())
		cancel()
		require.NoError(t, <-result)
	})
}

func TestARunEndsWhileItIsPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 3)
		h, p := steered(t, func(context.Context, processor.Message) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		c := must.Have(consumer.New(b.Source("mail"), starter{p, func() error { h.run.Pause(); return nil }}, quiet()))
		go func() { result <- c.Run(ctx) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-result)
		h.run.Pause()()
		h.run.End(errMail)
	})
}

// fickle is a queue that breaks after a pause.
type fickle struct {
	*queue
	resumed chan struct{}
}

func (f *fickle) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	_, err := f.queue.Subscribe(ctx, o)
	return f, err
}

func (f *fickle) Resume() { close(f.resumed) }

func (f *fickle) Receive(ctx context.Context) (*broker.Delivery, error) {
	select {
	case <-f.resumed:
		return nil, errMail
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestASubscriptionThatFailsAfterAPauseEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, p := steered(t, func(context.Context, processor.Message) error { return nil })
		result := make(chan error)
		go func() {
			result <- must.Have(consumer.New(&fickle{newQueue(), make(chan struct{})}, p, quiet())).Run(t.Context())
		}()
		synctest.Wait()
		h.run.Pause()()
		require.ErrorIs(t, <-result, errMail)
	})
}

func TestAMessageThatIsReleasedGoesBackUntouched(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"and the run goes on": false, "and the run ends": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := true
			q := newQueue(messages(3)...)
			close(q.messages)
			c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error {
				if !first {
					return nil
				}
				first = false
				if stop {
					return errors.Join(processor.ErrStop, processor.Release(nil))
				}
				return processor.Release(nil)
			}), quiet()))
			require.NoError(t, c.Run(t.Context()))
			want := consumer.Stats{Received: 3, Released: 1, Done: 2}
			if stop {
				want = consumer.Stats{Received: 1, Released: 1}
			}
			require.Equal(t, want, c.Stats())
		})
	}
}

func TestAReleasedMessageIsReleasedAndNotNacked(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage()
	q := newQueue(msg)
	close(q.messages)
	require.NoError(t, must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error {
		return processor.Release(errMail)
	}), quiet())).Run(t.Context()))
	require.Equal(t, []processortest.Settlement{processortest.Released}, msg.Settlements())
}

// Pauses come and go at random, some messages fail and are requeued, and the run ends now and then:
// every message is done once in the end, and none is left.
func TestPausesUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		b := mailbox(t, n)
		var resumed sync.WaitGroup
		defer resumed.Wait()
		var mu sync.Mutex
		done := map[string]int{}
		h, p := steered(t, func(_ context.Context, msg processor.Message) error {
			time.Sleep(rand.N(20 * time.Millisecond))
			if rand.N(10) == 0 {
				return processor.Release(nil)
			}
			mu.Lock()
			defer mu.Unlock()
			done[msg.Properties().ID]++
			return nil
		})
		for {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Second))
			result := make(chan error)
			go func() { result <- must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(4), quiet())).Run(ctx) }()
			synctest.Wait()
			for ctx.Err() == nil {
				resume := h.run.Pause()
				time.Sleep(rand.N(50 * time.Millisecond))
				resumed.Go(func() { time.Sleep(rand.N(50 * time.Millisecond)); resume() })
				time.Sleep(rand.N(100 * time.Millisecond))
			}
			require.NoError(t, <-result)
			cancel()
			if len(done) == n {
				break
			}
		}
		require.Zero(t, ready(t, b))
		for id, times := range done {
			require.Equal(t, 1, times, id)
		}
	})
}

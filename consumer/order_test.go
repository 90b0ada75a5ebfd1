package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// inOneLine keeps all messages in one order.
func inOneLine() consumer.Option {
	return consumer.OrderBy(func(processor.Message) string { return "all" })
}

// slips is a queue of slips of paper with numbers, of the given kind.
func slips(t *testing.T, kind broker.QueueType, n int) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail", Type: kind}}}))
	for i := range n {
		deliver(t, b, fmt.Sprint(i))
	}
	return b
}

// interruption ends or pauses a run after each tenth message.
type interruption struct {
	drain time.Duration
	come  func(h *helm, cancel func())
}

// A quorum queue puts messages released one by one at its tail.
func TestTheOrderOutlivesRestartsAndPauses(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]interruption{
		"restarts":          {time.Minute, func(_ *helm, cancel func()) { cancel() }},
		"cut short":         {0, func(_ *helm, cancel func()) { cancel() }},
		"aborted":           {time.Minute, func(h *helm, _ func()) { h.run.Abort(nil) }},
		"paused":            {time.Minute, func(h *helm, _ func()) { h.run.Pause()() }},
		"paused for a time": {time.Minute, func(h *helm, _ func()) { time.AfterFunc(time.Second, h.run.Pause()) }},
		"paused and ended": {time.Minute, func(h *helm, cancel func()) {
			h.run.Pause()
			time.AfterFunc(3*time.Millisecond, cancel)
		}},
	} {
		for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					const n = 300
					b := slips(t, kind, n)
					var done []string
					for len(done) < n {
						done = interrupt.run(t, b, n, done)
					}
					for i, id := range done {
						require.Equal(t, fmt.Sprint(i), id)
					}
					require.Zero(t, ready(t, b))
				})
			})
		}
	}
}

// run is a run of eight workers. It appends what it did to done, and ends with the nth message.
func (i interruption) run(t *testing.T, b *memory.Broker, n int, done []string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h *helm
	h, p := steered(t, func(ctx context.Context, msg processor.Message) error {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		done = append(done, msg.Properties().ID)
		if len(done)%10 == 0 {
			i.come(h, cancel)
		}
		if len(done) == n {
			cancel()
		}
		return nil
	})
	require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, inOneLine(), consumer.Workers(8), consumer.DrainTimeout(i.drain), quiet())).Run(ctx))
	return done
}

// A message released as the run ends keeps its place only if no message not yet received is
// requeued before it.
func TestNothingIsReleasedBetweenTheEndOfTheIntakeAndThePause(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(cancel func()) error{
		"the run ends":             func(cancel func()) error { cancel(); return processor.Release(errMail) },
		"the message ends the run": func(func()) error { return processor.Stop(processor.Release(errMail)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			q := &watched{queue: newQueue(messages(1)...)}
			_, p := steered(t, func(context.Context, processor.Message) error { return act(cancel) })
			require.NoError(t, must.Have(consumer.New(q, p, inOneLine(), quiet())).Run(ctx))
			require.True(t, q.options.Ordered)
			require.Equal(t, []bool{true}, q.released)
		})
	}
}

// watched is a queue that notes whether it was paused when a message was released.
type watched struct {
	*queue
	released []bool
}

func (w *watched) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	_, err := w.queue.Subscribe(ctx, o)
	return w, err
}

func (w *watched) Receive(ctx context.Context) (*broker.Delivery, error) {
	d, err := w.queue.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return w.channel.Deliver(processor.Envelope{}, d.Origin(), w, 1), nil
}

func (w *watched) Ack(uint64) error        { return nil }
func (w *watched) Nack(uint64, bool) error { return nil }
func (w *watched) Release(uint64) error {
	w.released = append(w.released, w.paused)
	return nil
}

// A missed pause left the message with a subscription that was never closed, and the prefetch full.
func TestEachPauseGivesBackWhatWasLeftToIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		b := slips(t, broker.Quorum, n)
		seen := map[string]bool{}
		var done []string
		ctx, cancel := context.WithCancel(t.Context())
		var h *helm
		h, p := steered(t, func(_ context.Context, msg processor.Message) error {
			id := msg.Properties().ID
			if !seen[id] {
				seen[id] = true
				h.run.Pause()()
				return processor.Release(nil)
			}
			if done = append(done, id); len(done) == n {
				cancel()
			}
			return nil
		})
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, inOneLine(), consumer.Prefetch(1), quiet())).Run(ctx))
		for i, id := range done {
			require.Equal(t, fmt.Sprint(i), id)
		}
	})
}

// Nothing is received once Pause has returned, also if the run was paused before it began
// to take messages.
func TestARunThatStartsPausedTakesNothing(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := slips(t, broker.Quorum, 30)
			h, p := steered(t, func(context.Context, processor.Message) error { return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := must.Have(consumer.New(b.Source("mail"), starter{p, func() error { h.run.Pause(); return nil }}, inOneLine(), consumer.Workers(64), quiet()))
			require.NoError(t, c.Run(ctx))
			require.Zero(t, c.Stats().Received)
		})
	}
}

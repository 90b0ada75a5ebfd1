package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/ordered"
)

// inOrder is a pipeline with a helm that keeps all messages in one order.
func inOrder(t *testing.T, handle processor.ProcessorFunc) (*helm, *stack.Pipeline) {
	t.Helper()
	h := &helm{}
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New(), ordered.New(func(processor.Message) string { return "all" })).Then(handle)
	require.NoError(t, err)
	return h, p
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

// interruption is what ends or pauses a run after each tenth message.
type interruption struct {
	drain time.Duration
	come  func(h *helm, cancel func())
}

// A quorum queue puts what is given back one by one at its tail.
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

// run is a run of eight workers. It returns done with what it did, and ends with the nth
// message.
func (i interruption) run(t *testing.T, b *memory.Broker, n int, done []string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h *helm
	h, p := inOrder(t, func(ctx context.Context, msg processor.Message) error {
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
	require.NoError(t, consumer.New(b.Source("mail"), p, consumer.Workers(8), consumer.DrainTimeout(i.drain), quiet()).Run(ctx))
	return done
}

// What is in hand at a pause still holds the messages behind it: a shift that began before
// they were back would begin with those behind them.
func TestWhereTheOrderMattersAPausedRunGoesOnWhenWhatIsInHandIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := slips(t, broker.Quorum, 30)
		slow := make(chan struct{})
		var done []string
		h, p := inOrder(t, func(_ context.Context, msg processor.Message) error {
			<-slow
			done = append(done, msg.Properties().ID)
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		c := consumer.New(b.Source("mail"), p, consumer.Workers(2), quiet())
		result := make(chan error)
		go func() { result <- c.Run(ctx) }()
		synctest.Wait()
		h.run.Pause()()
		h.run.Pause()()
		time.Sleep(time.Hour)
		require.Equal(t, consumer.Stats{Received: 2, InHand: 2}, c.Stats())
		close(slow)
		synctest.Wait()
		require.Equal(t, consumer.Stats{Received: 30, Done: 30}, c.Stats())
		require.True(t, slices.IsSortedFunc(done, func(a, b string) int { return len(a) - len(b) }))
		cancel()
		require.NoError(t, <-result)
	})
}

// ledger is a queue that notes the calls of its subscription.
type ledger struct {
	*queue
	mu    sync.Mutex
	calls []string
}

func (l *ledger) Subscribe(ctx context.Context, prefetch int) (broker.Subscription, error) {
	_, err := l.queue.Subscribe(ctx, prefetch)
	return l, err
}

func (l *ledger) note(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

func (l *ledger) Stop(ctx context.Context) error { l.note("stop"); return l.queue.Stop(ctx) }

func (l *ledger) Close(ctx context.Context) error { l.note("close"); return l.queue.Close(ctx) }

func TestWhereTheOrderMattersTheSubscriptionGivesBackWhatWasNotBegun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		act  func(h *helm, cancel func()) error
		want []processortest.Settlement
	}{
		"the run ends":                {func(_ *helm, cancel func()) error { cancel(); return processor.Release(errMail) }, nil},
		"the run is paused":           {func(h *helm, _ func()) error { h.run.Pause(); return processor.Release(errMail) }, nil},
		"the message ends the run":    {func(*helm, func()) error { return processor.Stop(processor.Release(errMail)) }, nil},
		"the run goes on":             {func(*helm, func()) error { return processor.Release(errMail) }, []processortest.Settlement{processortest.Released}},
		"the run ends, and it failed": {func(_ *helm, cancel func()) error { cancel(); return errMail }, []processortest.Settlement{processortest.Rejected}},
		"the run ends, and it is ok":  {func(_ *helm, cancel func()) error { cancel(); return nil }, []processortest.Settlement{processortest.Acked}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				msgs := messages(1)
				l := &ledger{queue: newQueue(msgs...)}
				var h *helm
				h, p := inOrder(t, func(context.Context, processor.Message) error { return tc.act(h, cancel) })
				c := consumer.New(l, p, quiet())
				require.NoError(t, c.Run(ctx))
				require.Equal(t, tc.want, msgs[0].Settlements())
				require.Equal(t, []string{"close"}, l.calls)
				s := c.Stats()
				require.Equal(t, uint64(1), s.Released+s.Done+s.Failed)
			})
		})
	}
}

// The pipeline forgot to settle: the run ends, and what it forgot keeps its place.
func TestWhereTheOrderMattersAForgottenMessageKeepsItsPlace(t *testing.T) {
	t.Parallel()
	msgs := messages(1)
	p, err := stack.New(ordered.New(ordered.ByRoutingKey)).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	require.ErrorIs(t, consumer.New(newQueue(msgs...), p, quiet()).Run(t.Context()), consumer.ErrUnsettled)
	require.Empty(t, msgs[0].Settlements())
}

// Workers that waited for a message when the pause came took the next one, since nothing
// but Stop ended their wait.
func TestAPauseEndsTheWaitForMessagesWhateverStopDoes(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(*testing.T, processor.ProcessorFunc) (*helm, *stack.Pipeline){
		"any order": steered, "in order": inOrder,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stuck{queue: newQueue(), stop: untilCancelled}
				h, p := build(t, func(context.Context, processor.Message) error { return nil })
				ctx, cancel := context.WithCancel(t.Context())
				c := consumer.New(s, p, consumer.Workers(4), quiet())
				result := make(chan error)
				go func() { result <- c.Run(ctx) }()
				synctest.Wait()
				h.run.Pause()
				synctest.Wait()
				for _, m := range messages(10) {
					s.messages <- m
				}
				time.Sleep(time.Minute)
				require.Zero(t, c.Stats().Received)
				cancel()
				require.NoError(t, <-result)
			})
		})
	}
}

// sudden is a queue that is about to hand out a message when the run is paused.
type sudden struct {
	*ledger
	pause func()
}

func (s *sudden) Subscribe(ctx context.Context, prefetch int) (broker.Subscription, error) {
	_, err := s.ledger.Subscribe(ctx, prefetch)
	return s, err
}

func (s *sudden) Receive(ctx context.Context) (processor.Message, error) {
	msg, err := s.ledger.Receive(ctx)
	s.pause()
	return msg, err
}

// One before it may have been left to the subscription a moment ago.
func TestWhereTheOrderMattersAMessageThatComesWithThePauseIsNotBegun(t *testing.T) {
	t.Parallel()
	msgs := messages(1)
	ctx, cancel := context.WithCancel(t.Context())
	h, p := inOrder(t, func(context.Context, processor.Message) error { return nil })
	s := &sudden{&ledger{queue: newQueue(msgs...)}, func() { h.run.Pause(); cancel() }}
	c := consumer.New(s, p, quiet())
	require.NoError(t, c.Run(ctx))
	require.Zero(t, c.Stats())
	require.Empty(t, msgs[0].Settlements())
}

// A pause that was missed left the message with a subscription that nobody closed, and the
// prefetch full.
func TestEachPauseGivesBackWhatWasLeftToIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		b := slips(t, broker.Quorum, n)
		seen := map[string]bool{}
		var done []string
		ctx, cancel := context.WithCancel(t.Context())
		var h *helm
		h, p := inOrder(t, func(_ context.Context, msg processor.Message) error {
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
		require.NoError(t, consumer.New(b.Source("mail"), p, consumer.Prefetch(1), quiet()).Run(ctx))
		for i, id := range done {
			require.Equal(t, fmt.Sprint(i), id)
		}
	})
}

// The next shift waited for workers that rested after a message that went back.
func TestAPauseEndsTheRestOfAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := slips(t, broker.Classic, 1)
		start := time.Now()
		var took []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		var h *helm
		h, p := inOrder(t, func(context.Context, processor.Message) error {
			if took = append(took, time.Since(start)); len(took) == 2 {
				cancel()
				return nil
			}
			time.AfterFunc(time.Millisecond, func() { h.run.Pause()() })
			return processor.Release(nil)
		})
		require.NoError(t, consumer.New(b.Source("mail"), p, quiet()).Run(ctx))
		require.Equal(t, []time.Duration{0, time.Millisecond}, took)
	})
}

// Nothing is received once Pause has returned, also if the run was paused before it began
// to take messages.
func TestARunThatStartsPausedTakesNothing(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := slips(t, broker.Quorum, 30)
			h, p := inOrder(t, func(context.Context, processor.Message) error { return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := consumer.New(b.Source("mail"), starter{p, func() error { h.run.Pause(); return nil }}, consumer.Workers(64), quiet())
			require.NoError(t, c.Run(ctx))
			require.Zero(t, c.Stats().Received)
		})
	}
}

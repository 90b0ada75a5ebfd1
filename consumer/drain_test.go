package consumer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
)

// hang is how something hangs: it may heed its context, or only the end of the test.
type hang func(ctx context.Context)

func (h hang) wait(ctx context.Context) error {
	if h != nil {
		h(ctx)
	}
	return ctx.Err()
}

func untilCancelled(ctx context.Context) { <-ctx.Done() }

func until(released <-chan struct{}) hang { return func(context.Context) { <-released } }

// stuck is a queue whose Stop and Close hang.
type stuck struct {
	*queue
	stop, close hang
	left        time.Duration // for Close, when it was called
}

func (s *stuck) Subscribe(ctx context.Context, prefetch int) (broker.Subscription, error) {
	_, err := s.queue.Subscribe(ctx, prefetch)
	return s, err
}

func (s *stuck) Stop(ctx context.Context) error { return s.stop.wait(ctx) }

func (s *stuck) Close(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	s.left = time.Until(deadline)
	return s.close.wait(ctx)
}

// weary is a pipeline, parts of which hang.
type weary struct {
	begun               chan struct{}
	process, idle, stop hang
	ended               func(ctx context.Context) // called when process returns
}

func (w *weary) Process(ctx context.Context, msg processor.Message) error {
	close(w.begun)
	w.process(ctx)
	if w.ended != nil {
		w.ended(ctx)
	}
	return msg.Ack()
}

func (w *weary) Idle(ctx context.Context) error { return w.idle.wait(ctx) }
func (w *weary) Stop(ctx context.Context) error { return w.stop.wait(ctx) }

// orderly is a weary pipeline in which the order matters.
type orderly struct{ *weary }

func (orderly) Admit(ctx context.Context, _ processor.Message) (admitted context.Context, left func()) {
	return ctx, func() {}
}

// Everything hangs, with one message in hand: the run ends on time all the same.
func TestARunEndsOnTimeWhateverHangs(t *testing.T) {
	t.Parallel()
	for _, drain := range []time.Duration{0, 20 * time.Second} {
		for i := range 4 {
			ignores, inOrder := i%2 == 1, i/2 == 1
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				h := hang(untilCancelled)
				if ignores {
					h = until(released)
				}
				source := &stuck{queue: newQueue(messages(1)...), stop: h, close: h}
				w := &weary{begun: make(chan struct{}), process: h, stop: h}
				ctx, cancel := context.WithCancel(t.Context())
				var asked time.Time
				go func() {
					<-w.begun
					asked = time.Now()
					cancel()
				}()
				var p processor.Processor = w
				if inOrder {
					p = orderly{w}
				}
				err := consumer.New(source, p, consumer.DrainTimeout(drain), quiet()).Run(ctx)
				require.LessOrEqual(t, time.Since(asked), drain+5*time.Second)
				require.ErrorIs(t, err, context.DeadlineExceeded, "the layers did not stop")
				if ignores {
					require.ErrorIs(t, err, consumer.ErrAbandoned)
				} else {
					require.NotErrorIs(t, err, consumer.ErrAbandoned)
				}
				close(released)
				synctest.Wait()
				require.GreaterOrEqual(t, source.left, 900*time.Millisecond, "closing has time left")
			})
		}
	}
}

// A broker that hangs in Stop held up the deadline of what was in hand.
func TestASlowStopDoesNotHoldUpTheDrainDeadline(t *testing.T) {
	t.Parallel()
	for _, drain := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var asked time.Time
			var took time.Duration
			w := &weary{begun: make(chan struct{}), process: untilCancelled, ended: func(ctx context.Context) {
				took = time.Since(asked)
				require.ErrorIs(t, context.Cause(ctx), processor.ErrShutdown)
			}}
			go func() {
				<-w.begun
				asked = time.Now()
				cancel()
			}()
			source := &stuck{queue: newQueue(messages(1)...), stop: untilCancelled}
			require.NoError(t, consumer.New(source, w, consumer.DrainTimeout(drain), quiet()).Run(ctx))
			require.Equal(t, drain, took)
		})
	}
}

func TestTheSubscriptionIsStoppedBeforeItIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var order []string
		source := &stuck{
			queue: newQueue(),
			stop:  func(context.Context) { time.Sleep(900 * time.Millisecond); order = append(order, "stop") },
			close: func(context.Context) { order = append(order, "close") },
		}
		w := &weary{begun: make(chan struct{})}
		require.NoError(t, consumer.New(source, w, quiet()).Run(ctx))
		require.Equal(t, []string{"stop", "close"}, order)
		require.Equal(t, 1900*time.Millisecond, source.left)
	})
}

func TestAnIdleHookThatIgnoresItsContextIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var asked time.Time
		w := &weary{begun: make(chan struct{}), idle: func(context.Context) {
			asked = time.Now()
			cancel()
			<-released
		}}
		require.ErrorIs(t, consumer.New(newQueue(), w, quiet()).Run(ctx), consumer.ErrAbandoned)
		require.Equal(t, time.Second, time.Since(asked), "the grace, not the drain time: nothing is in hand")
		close(released)
		synctest.Wait()
	})
}

func TestAnIdleHookSeesTheEndAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var asked time.Time
		w := &weary{begun: make(chan struct{}), idle: func(ctx context.Context) {
			asked = time.Now()
			cancel()
			<-ctx.Done()
		}}
		require.NoError(t, consumer.New(newQueue(), w, quiet()).Run(ctx))
		require.Zero(t, time.Since(asked))
	})
}

func TestALayerThatDoesNotStopIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		w := &weary{begun: make(chan struct{}), stop: until(released)}
		require.ErrorIs(t, consumer.New(newQueue(), w, quiet()).Run(ctx), context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
		close(released)
		synctest.Wait()
	})
}

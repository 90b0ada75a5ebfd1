package consumer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// hang is a way to hang: until the context ends, or only until the test ends.
type hang func(ctx context.Context)

func (h hang) wait(ctx context.Context) error {
	if h != nil {
		h(ctx)
	}
	return ctx.Err()
}

func untilCancelled(ctx context.Context) { <-ctx.Done() }

func until(released <-chan struct{}) hang { return func(context.Context) { <-released } }

// stuck is a queue whose Close hangs.
type stuck struct {
	*queue
	close hang
	pause hang          // nil: it does not
	left  time.Duration // for Close, when it was called
}

func (s *stuck) Pause() <-chan struct{} {
	_ = s.pause.wait(context.Background())
	return s.queue.Pause()
}

func (s *stuck) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	_, err := s.queue.Subscribe(ctx, o)
	return s, err
}

func (s *stuck) Close(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	s.left = time.Until(deadline)
	return errors.Join(s.close.wait(ctx), s.queue.Close(ctx))
}

// weary is a pipeline with parts that hang.
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

// Everything hangs, with one message in flight: the run still ends on time.
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
				source := &stuck{queue: newQueue(messages(1)...), close: h}
				w := &weary{begun: make(chan struct{}), process: h, stop: h}
				ctx, cancel := context.WithCancel(t.Context())
				var asked time.Time
				go func() {
					<-w.begun
					asked = time.Now()
					cancel()
				}()
				opts := []consumer.Option{consumer.DrainTimeout(drain), quiet()}
				if inOrder {
					opts = append(opts, inOneLine())
				}
				err := must.Have(consumer.New(source, w, opts...)).Run(ctx)
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

// The pause before the drain sends on a socket that takes nothing, and had no limit: neither the drain timeout nor an abort
// ended the run before the connection was given up.
func TestARunEndsOnTimeThoughItsSourceDoesNotPause(t *testing.T) {
	t.Parallel()
	for _, drain := range []time.Duration{0, 20 * time.Second} {
		for _, abort := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				source := &stuck{queue: newQueue(messages(1)...), close: until(released), pause: until(released)}
				w := &weary{begun: make(chan struct{}), process: untilCancelled}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := must.Have(consumer.New(source, w, consumer.DrainTimeout(drain), quiet()))
				var asked time.Time
				go func() {
					<-w.begun
					asked = time.Now()
					if abort {
						c.Abort()
					} else {
						cancel()
					}
				}()
				require.NoError(t, c.Run(ctx))
				most := drain + 5*time.Second
				if abort {
					most = 5 * time.Second
				}
				require.LessOrEqual(t, time.Since(asked), most)
				close(released)
				synctest.Wait()
			})
		}
	}
}

func TestTheSubscriptionIsPausedBeforeItIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		source := &stuck{queue: newQueue()}
		source.close = func(context.Context) { require.True(t, source.paused) }
		w := &weary{begun: make(chan struct{})}
		require.NoError(t, must.Have(consumer.New(source, w, quiet())).Run(ctx))
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
		require.ErrorIs(t, must.Have(consumer.New(newQueue(), w, quiet())).Run(ctx), consumer.ErrAbandoned)
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
		require.NoError(t, must.Have(consumer.New(newQueue(), w, quiet())).Run(ctx))
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
		require.ErrorIs(t, must.Have(consumer.New(newQueue(), w, quiet())).Run(ctx), context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
		close(released)
		synctest.Wait()
	})
}

package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/retry"
)

var errWire = errors.New("the wire is cut")

// wire is a channel to a broker that can be lost.
type wire struct {
	mu      sync.Mutex
	channel *broker.Channel
	settled map[uint64]string
}

func newWire() *wire {
	return &wire{settled: map[uint64]string{}}
}

func (w *wire) cut() { w.channel.Lose(errWire) }

func (w *wire) message(tag uint64) overWire { return overWire{w, tag} }

// overWire is a message received over a wire.
type overWire struct {
	*wire
	tag uint64
}

func (m overWire) deliver(o broker.SubscribeOptions) *broker.Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channel == nil {
		m.channel = broker.NewChannel(o)
	}
	e := processor.Envelope{Properties: processor.Properties{ID: fmt.Sprint(m.tag)}}
	return m.channel.Deliver(e, processor.Origin{Queue: "mail"}, m.wire, m.tag)
}

func (w *wire) settle(tag uint64, how string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.channel.Lost() {
		return processor.ErrStale
	}
	w.settled[tag] = how
	return nil
}

func (w *wire) Ack(tag uint64) error          { return w.settle(tag, "ack") }
func (w *wire) Nack(tag uint64, _ bool) error { return w.settle(tag, "nack") }
func (w *wire) Release(tag uint64) error      { return w.settle(tag, "release") }

func (w *wire) settlement(tag uint64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settled[tag]
}

// wires is a source of messages received over several wires.
type wires chan overWire

func (w wires) Subscribe(_ context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	return overWires{w, o}, nil
}

type overWires struct {
	wires
	options broker.SubscribeOptions
}

func (w overWires) Pause() <-chan struct{}      { return nil }
func (w overWires) Resume()                     {}
func (w overWires) Close(context.Context) error { return nil }
func (w overWires) Receive(ctx context.Context) (*broker.Delivery, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case m, ok := <-w.wires:
		if !ok {
			return nil, io.EOF
		}
		return m.deliver(w.options), nil
	}
}

// losing is a run whose first message is in flight when its wire is cut; the next one comes over
// another.
type losing struct {
	source wires
	first  *wire
	next   *wire
	log    bytes.Buffer
	cancel context.CancelFunc
	*consumer.Consumer
	result chan error
}

// lose starts a run of one worker under layers, and cuts the wire while first is at work.
func lose(t *testing.T, first processor.ProcessorFunc, layers []processor.Middleware, opts ...consumer.Option) *losing {
	t.Helper()
	l := &losing{source: make(wires, 10), first: newWire(), next: newWire(), result: make(chan error, 1)}
	p, err := stack.New(layers...).ThenFunc(func(ctx context.Context, m processor.Message) error {
		if m.Properties().ID == "1" {
			return first(ctx, m)
		}
		return m.Ack()
	})
	require.NoError(t, err)
	opts = append(opts, consumer.Logger(slog.New(slog.NewTextHandler(&l.log, nil))))
	l.Consumer = must.Have(consumer.New(l.source, p, opts...))
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	go func() { l.result <- l.Run(ctx) }()
	l.source <- l.first.message(1)
	synctest.Wait()
	l.first.cut()
	l.source <- l.next.message(2)
	return l
}

func (l *losing) end(t *testing.T) {
	t.Helper()
	close(l.source)
	require.NoError(t, <-l.result)
	require.Equal(t, "ack", l.next.settlement(2))
	require.Empty(t, l.first.settlement(1))
}

// heeding returns why its context has ended.
func heeding(ctx context.Context, _ processor.Message) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestTheContextOfAHandlerEndsWithTheChannelOfItsMessage(t *testing.T) {
	t.Parallel()
	for name, decide := range map[string]func(error) error{
		"fails": func(err error) error { return err }, "rejects": processor.Reject, "requeues": processor.Requeue,
	} {
		for _, order := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", keeping order: ", order), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var opts []consumer.Option
					if order {
						opts = append(opts, consumer.OrderBy(func(m processor.Message) string { return m.Properties().ID }))
					}
					start := time.Now()
					l := lose(t, func(ctx context.Context, m processor.Message) error {
						err := heeding(ctx, m)
						require.True(t, processor.Lost(ctx))
						require.False(t, processor.ShuttingDown(ctx))
						require.ErrorIs(t, err, errWire, "it says why")
						return decide(err)
					}, []processor.Middleware{ack.New()}, opts...)
					synctest.Wait()
					require.Equal(t, "ack", l.next.settlement(2))
					require.Zero(t, time.Since(start), "the next message does not wait")
					l.end(t)
					require.Equal(t, consumer.Stats{Received: 2, Done: 1, Released: 1}, l.Stats())
					require.NotContains(t, l.log.String(), "level=WARN")
					require.NotContains(t, l.log.String(), "level=ERROR")
					require.Contains(t, l.log.String(), "channel of the message is lost")
				})
			})
		}
	}
}

func TestAHandlerThatSucceedsOnALostChannelHasNotFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lose(t, func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return nil },
			[]processor.Middleware{ack.New()})
		l.end(t)
		require.Equal(t, consumer.Stats{Received: 2, Done: 2}, l.Stats())
		require.Empty(t, l.log.String())
	})
}

// Without an ack layer the message is returned unsettled, which would otherwise end a run.
func TestAMessageThatIsLeftUnsettledOnALostChannelDoesNotEndTheRun(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, errMail, processor.Release(errMail)} {
		synctest.Test(t, func(t *testing.T) {
			l := lose(t, func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return result }, nil)
			l.end(t)
			require.Equal(t, uint64(1), l.Stats().Released)
			require.NotContains(t, l.log.String(), "level=WARN")
		})
	}
}

// The message is redelivered: with a copy there would be one more message after each loss.
func TestNoCopyIsPublishedOfAMessageWhoseChannelIsLost(t *testing.T) {
	t.Parallel()
	for name, layer := range map[string]func(processor.Publisher) processor.Middleware{
		"retry": func(p processor.Publisher) processor.Middleware {
			return retry.New(p, "retry_%attempt%", retry.ParkKey("parked"))
		},
		"retry, last": func(p processor.Publisher) processor.Middleware {
			return retry.New(p, "", retry.Retries(0), retry.ParkKey("parked"))
		},
		"backoff": func(p processor.Publisher) processor.Middleware {
			return backoff.New(p, "mail", backoff.Park(processor.Destination{RoutingKey: "parked"}))
		},
	} {
		for _, finish := range []bool{false, true} {
			for _, result := range []error{errMail, processor.Reject(errMail)} {
				t.Run(fmt.Sprint(name, ", finishing: ", finish, ", ", processor.Decide(result).Action), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						published := &processortest.Publisher{}
						var opts []consumer.Option
						if finish {
							opts = append(opts, consumer.FinishLost())
						}
						l := lose(t, func(ctx context.Context, _ processor.Message) error {
							select {
							case <-ctx.Done():
								require.False(t, finish)
							case <-time.After(time.Hour):
								require.True(t, finish)
							}
							return result
						}, []processor.Middleware{ack.New(), layer(published)}, opts...)
						l.end(t)
						require.Empty(t, published.Published())
						require.Equal(t, consumer.Stats{Received: 2, Done: 1, Released: 1}, l.Stats())
					})
				})
			}
		}
	}
}

func TestAHandlerThatFinishesIsStillCutShortByTheEndOfTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended error
		l := lose(t, func(ctx context.Context, m processor.Message) error {
			ended = heeding(ctx, m)
			return ended
		}, []processor.Middleware{ack.New()}, consumer.FinishLost(), consumer.DrainTimeout(time.Minute))
		time.Sleep(time.Hour)
		require.NoError(t, ended, "the loss does not end it")
		l.cancel()
		require.NoError(t, <-l.result)
		require.ErrorIs(t, ended, processor.ErrShutdown)
	})
}

// With one channel lost, messages of another go on.
func TestOnlyTheHandlersOfTheLostChannelAreCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, a, b := make(wires, 4), newWire(), newWire()
		var ended atomic.Int64
		p := acked(t, func(ctx context.Context, _ processor.Message) error {
			select {
			case <-ctx.Done():
				ended.Add(1)
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		})
		for i, w := range []*wire{a, b, a, b} {
			source <- w.message(uint64(i))
		}
		c := must.Have(consumer.New(source, p, consumer.Workers(4), quiet()))
		result := make(chan error, 1)
		go func() { result <- c.Run(context.Background()) }()
		synctest.Wait()
		a.cut()
		synctest.Wait()
		require.Equal(t, int64(2), ended.Load())
		time.Sleep(time.Hour)
		close(source)
		require.NoError(t, <-result)
		require.Equal(t, consumer.Stats{Received: 4, Done: 2, Released: 2}, c.Stats())
	})
}

// The first delivery is in flight when the second comes, in the same process.
func TestAMessageThatComesAgainWhileItIsInHandIsProcessedOnce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		first func(context.Context) error
		opts  []consumer.Option
		want  int // how often the handler has begun
	}{
		"cut short":                      {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil, 2},
		"ignoring its context, succeeds": {func(context.Context) error { time.Sleep(time.Hour); return nil }, nil, 1},
		"finishing, and succeeds":        {finishing(nil), []consumer.Option{consumer.FinishLost()}, 1},
		"finishing, and fails":           {finishing(errMail), []consumer.Option{consumer.FinishLost()}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, before, after := make(wires, 2), newWire(), newWire()
				begun, atOnce, most := 0, 0, 0
				published := &processortest.Publisher{}
				p, err := stack.New(ack.New(), retry.New(published, "retry_%attempt%"), dedup.New(dedup.NewMemory(10, 24*time.Hour))).
					ThenFunc(func(ctx context.Context, _ processor.Message) error {
						begun++
						atOnce++
						most = max(most, atOnce)
						defer func() { atOnce-- }()
						if begun == 1 {
							return row.first(ctx)
						}
						return nil
					})
				require.NoError(t, err)
				c := must.Have(consumer.New(source, p, append(row.opts, consumer.Workers(2), quiet())...))
				result := make(chan error, 1)
				go func() { result <- c.Run(context.Background()) }()
				source <- before.message(7)
				synctest.Wait()
				before.cut()
				source <- after.message(7)
				time.Sleep(2 * time.Hour)
				close(source)
				require.NoError(t, <-result)
				require.Equal(t, row.want, begun)
				require.Equal(t, 1, most, "never two at once")
				require.Equal(t, "ack", after.settlement(7))
				require.Empty(t, published.Published())
			})
		})
	}
}

func finishing(result error) func(context.Context) error {
	return func(ctx context.Context) error {
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			return errors.New("its context has ended")
		}
		return result
	}
}

func TestTheConsumerAllocatesNothingForAMessage(t *testing.T) {
	for name, opts := range map[string][]consumer.Option{"in no order": nil, "in order": {inOneLine()}} {
		t.Run(name, func(t *testing.T) {
			const n = 1000
			source, handled := make(made), make(chan struct{})
			channel := broker.NewChannel(broker.SubscribeOptions{Base: t.Context()})
			defer channel.Lose(nil)
			messages := make([]*broker.Delivery, 0, n+2)
			for i := range uint64(n + 2) {
				messages = append(messages, channel.Deliver(processor.Envelope{}, processor.Origin{}, noted{}, i))
			}
			p := acked(t, func(context.Context, processor.Message) error { handled <- struct{}{}; return nil })
			c := must.Have(consumer.New(source, p, append(opts, quiet())...))
			result := make(chan error, 1)
			go func() { result <- c.Run(context.Background()) }()
			next := 0
			require.Zero(t, testing.AllocsPerRun(n, func() {
				source <- messages[next]
				next++
				<-handled
			}))
			close(source)
			require.NoError(t, <-result)
		})
	}
}

// made is a source of prepared deliveries.
type made chan *broker.Delivery

func (m made) Subscribe(context.Context, broker.SubscribeOptions) (broker.Subscription, error) {
	return m, nil
}
func (m made) Pause() <-chan struct{}      { return nil }
func (m made) Resume()                     {}
func (m made) Close(context.Context) error { return nil }
func (m made) Receive(ctx context.Context) (*broker.Delivery, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case d, ok := <-m:
		if !ok {
			return nil, io.EOF
		}
		return d, nil
	}
}

type noted struct{}

func (noted) Ack(uint64) error        { return nil }
func (noted) Nack(uint64, bool) error { return nil }
func (noted) Release(uint64) error    { return nil }

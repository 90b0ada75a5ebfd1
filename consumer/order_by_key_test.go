package consumer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
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
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
)

// beforeColon returns the key of a message such as "k:1": the part before the colon.
func beforeColon(msg processor.Message) string {
	before, _, _ := strings.Cut(string(msg.Body()), ":")
	return before
}

// begun lists the messages that have begun, in order, and holds each that is told to wait.
type begun struct {
	mu     sync.Mutex
	bodies []string
	hold   map[string]chan struct{}
}

func holding(bodies ...string) *begun {
	b := &begun{hold: map[string]chan struct{}{}}
	for _, body := range bodies {
		b.hold[body] = make(chan struct{})
	}
	return b
}

func (b *begun) handle(ctx context.Context, msg processor.Message) error {
	b.mu.Lock()
	b.bodies = append(b.bodies, string(msg.Body()))
	hold := b.hold[string(msg.Body())]
	b.mu.Unlock()
	if hold == nil {
		return nil
	}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// now returns the messages that have begun once nothing moves any more.
func (b *begun) now() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.bodies...)
}

func bodies(texts ...string) []*processortest.Message {
	msgs := make([]*processortest.Message, len(texts))
	for i, text := range texts {
		msgs[i] = processortest.NewMessage(processortest.Body(text))
	}
	return msgs
}

// ordered runs a consumer that orders by the part before the colon.
func ordered(t *testing.T, source broker.Source, p processor.Processor, opts ...consumer.Option) (c *consumer.Consumer, end func() error) {
	t.Helper()
	c = must.Have(consumer.New(source, p, append([]consumer.Option{consumer.OrderBy(beforeColon), quiet()}, opts...)...))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- c.Run(ctx) }()
	return c, func() error { cancel(); return <-result }
}

func TestAMessageBeginsWhenTheOneBeforeItHasLeftThePipeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begins []time.Duration
		start := time.Now()
		_, end := ordered(t, newQueue(bodies("k:1", "k:2", "k:3")...), processor.ProcessorFunc(func(_ context.Context, msg processor.Message) error {
			begins = append(begins, time.Since(start))
			time.Sleep(time.Second)
			err := msg.Ack()
			time.Sleep(time.Second) // still busy
			return err
		}), consumer.Workers(4))
		time.Sleep(time.Minute)
		require.NoError(t, end())
		require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, begins)
	})
}

func TestOtherKeysAndNoKeyGoOnMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := holding("k:1", ":1", ":2")
		q := newQueue(bodies("k:1", "k:2", "other:1", "other:2", ":1", ":2")...)
		_, end := ordered(t, q, acked(t, b.handle), consumer.Workers(4))
		require.ElementsMatch(t, []string{"k:1", "other:1", "other:2", ":1", ":2"}, b.now())
		close(b.hold["k:1"])
		require.Contains(t, b.now(), "k:2")
		close(b.hold[":1"])
		close(b.hold[":2"])
		synctest.Wait()
		require.NoError(t, end())
	})
}

// Each message that waited held a worker.
func TestABusyKeyOccupiesOneWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := holding("k:1")
		q := newQueue(bodies("k:1", "k:2", "k:3", "k:4", "k:5", "other:1", "other:2", "k:6")...)
		c, end := ordered(t, q, acked(t, b.handle), consumer.Workers(2))
		require.Equal(t, []string{"k:1", "other:1", "other:2"}, b.now())
		require.Equal(t, consumer.Stats{Received: 8, Done: 2, InFlight: 1, Waiting: 5}, c.Stats())
		close(b.hold["k:1"])
		require.Equal(t, []string{"k:2", "k:3", "k:4", "k:5", "k:6"}, b.now()[3:])
		require.Equal(t, consumer.Stats{Received: 8, Done: 8}, c.Stats())
		require.NoError(t, end())
	})
}

func TestKeysRunInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var last atomic.Int64
		_, end := ordered(t, newQueue(bodies("a:1", "a:2", "b:1", "b:2", "c:1", "c:2", "d:1", "d:2")...),
			acked(t, func(context.Context, processor.Message) error {
				time.Sleep(time.Second)
				last.Store(int64(time.Since(start)))
				return nil
			}), consumer.Workers(4))
		time.Sleep(time.Minute)
		require.NoError(t, end())
		require.Equal(t, 2*time.Second, time.Duration(last.Load()))
	})
}

// At the end of a run the first in line leaves, and the next one would begin.
func TestWhatWaitsAtTheEndGoesBackUntouched(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(context.Context) error{
		"and the one before it is cut short": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"and the one before it is done":      func(context.Context) error { return nil },
		"and the one before it goes on":      func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 { // selects choose at random
				synctest.Test(t, func(t *testing.T) {
					begun := 0
					ctx, cancel := context.WithCancel(t.Context())
					msgs := bodies("k:1", "k:2", "k:3", "k:4", "k:5")
					q := newQueue(msgs...)
					p := acked(t, func(ctx context.Context, _ processor.Message) error {
						begun++
						synctest.Wait() // until the others have been received
						cancel()
						return ends(ctx)
					})
					c := must.Have(consumer.New(q, p, consumer.OrderBy(beforeColon), consumer.Workers(3), quiet()))
					require.NoError(t, c.Run(ctx))
					require.Equal(t, 1, begun)
					for _, m := range msgs[1:] {
						require.Equal(t, []processortest.Settlement{processortest.Released}, m.Settlements())
					}
					s := c.Stats()
					require.Equal(t, [3]uint64{5, 5, 0}, [3]uint64{s.Received, s.Done + s.Released, uint64(s.Waiting + s.InFlight)})
				})
			}
		})
	}
}

// A message that waits when its channel is lost is redelivered, and is processed then.
func TestWhatWaitsWhenItsChannelIsLostIsNotBegun(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]consumer.Option{
		"the handler is cut short": nil, "the handler goes on": {consumer.FinishLost()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first, next := newWire(), newWire()
				source := make(wires, 10)
				var begins []string
				p := acked(t, func(ctx context.Context, msg processor.Message) error {
					require.False(t, processor.Lost(ctx))
					if begins = append(begins, msg.Properties().ID); len(begins) > 1 {
						return nil
					}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(time.Minute):
						return errMail
					}
				})
				c, end := ordered(t, source, p, append(opts, inOneLine(), consumer.Workers(2))...)
				for tag := range uint64(3) {
					source <- first.message(tag + 1)
				}
				synctest.Wait()
				first.cut()
				for tag := range uint64(3) {
					source <- next.message(tag + 1)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, []string{"1", "1", "2", "3"}, begins)
				require.Empty(t, first.settled)
				require.Equal(t, map[uint64]string{1: "ack", 2: "ack", 3: "ack"}, next.settled)
				require.Equal(t, consumer.Stats{Received: 6, Done: 3, Released: 3}, c.Stats())
				require.NoError(t, end())
			})
		})
	}
}

func TestAKeyThatPanicsFailsItsMessageAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"text": "boom", "an error with a decision": processor.Drop(errMail)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := holding()
				msgs := bodies("k:1", "broken", "k:2")
				var log bytes.Buffer
				c, end := ordered(t, newQueue(msgs...), acked(t, b.handle), consumer.OrderBy(func(msg processor.Message) string {
					if string(msg.Body()) == "broken" {
						panic(value)
					}
					return beforeColon(msg)
				}), consumer.Logger(slog.New(slog.NewTextHandler(&log, nil))))
				time.Sleep(time.Minute)
				require.Equal(t, []string{"k:1", "k:2"}, b.now())
				require.Equal(t, []processortest.Settlement{processortest.Requeued}, msgs[1].Settlements())
				require.Equal(t, consumer.Stats{Received: 3, Done: 2, Failed: 1}, c.Stats())
				require.Contains(t, log.String(), "the key function panicked")
				require.NoError(t, end())
			})
		})
	}
}

// It is paced like any other requeued message.
func TestAKeyThatAlwaysPanicsIsNoBusyLoop(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := mailbox(t, 1)
				p := acked(t, func(context.Context, processor.Message) error { return nil })
				c, stop := ordered(t, b.Source("mail"), p, consumer.OrderBy(func(processor.Message) string { end(); return "" }))
				time.Sleep(time.Minute)
				require.Less(t, c.Stats().Received, uint64(1300))
				require.NoError(t, stop())
				require.Equal(t, 1, ready(t, b))
			})
		})
	}
}

// The line lost its first, and no worker called the next.
func TestAHandlerThatEndsItsGoroutineEndsItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := holding()
		msgs := bodies("k:1", "k:2", "k:3", "k:4")
		c, end := ordered(t, newQueue(msgs...), acked(t, func(ctx context.Context, msg processor.Message) error {
			time.Sleep(time.Second) // the others are received meanwhile
			_ = b.handle(ctx, msg)
			if string(msg.Body()) < "k:3" {
				runtime.Goexit()
			}
			return nil
		}), consumer.Workers(2))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"k:1", "k:2", "k:3", "k:4"}, b.now())
		require.Equal(t, consumer.Stats{Received: 4, Done: 2, Released: 2}, c.Stats())
		require.NoError(t, end())
	})
}

func TestEachCustomerHasAnOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const customers, each = 4, 25
		b := memory.New()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
		for i := range each {
			for c := range customers {
				e := processor.Envelope{Body: fmt.Appendf(nil, "%d", i), Headers: processor.Headers{"customer": int64(c)}}
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, e))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		got, want, total := map[int64][]string{}, map[int64][]string{}, 0
		p, err := stack.New(ack.New(), recovery.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
			customer, _ := msg.Headers().Int64("customer")
			time.Sleep(time.Duration(1+customer) * time.Millisecond) // the customers do not keep step
			mu.Lock()
			defer mu.Unlock()
			got[customer] = append(got[customer], string(msg.Body()))
			if total++; total == customers*each {
				cancel()
			}
			return nil
		})
		require.NoError(t, err)
		opts := []consumer.Option{consumer.OrderBy(key.Header("customer")), consumer.Workers(4), quiet()}
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, opts...)).Run(ctx))
		for c := range int64(customers) {
			for i := range each {
				want[c] = append(want[c], fmt.Sprint(i))
			}
		}
		require.Equal(t, want, got)
		require.NoError(t, b.Close(t.Context()))
	})
}

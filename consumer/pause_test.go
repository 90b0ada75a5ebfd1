package consumer_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
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
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// Whichever layer requeues a message, and with whatever error: the broker redelivers it at once,
// and without a pause that is a million deliveries in a second.
func TestAMessageThatGoesBackDoesNotMakeABusyLoop(t *testing.T) {
	t.Parallel()
	returns := func(err error) processor.ProcessorFunc {
		return func(context.Context, processor.Message) error { return err }
	}
	for name, tc := range map[string]struct {
		handler processor.ProcessorFunc
		opts    []ack.Option
	}{
		"the handler says so":       {returns(processor.Requeue(errMail)), nil},
		"the ack layer requeues":    {returns(errMail), []ack.Option{ack.RequeueOnError()}},
		"the handler nacks":         {func(_ context.Context, m processor.Message) error { return m.Nack(true) }, nil},
		"the handler nacks, failed": {func(_ context.Context, m processor.Message) error { return errors.Join(m.Nack(true), errMail) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
				require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				p, err := stack.New(ack.New(tc.opts...)).Then(tc.handler)
				require.NoError(t, err)
				c := must.Have(consumer.New(b.Source("mail"), p, quiet()))
				require.NoError(t, c.Run(ctx))
				require.Greater(t, c.Stats().Received, uint64(12))
				require.Less(t, c.Stats().Received, uint64(40))
			})
		})
	}
}

// The pause was one worker's, and the next free one took the message at once: 8 of them had 20 returns
// in 0.25 s, at which a quorum queue without a dead-letter exchange drops a message.
func TestADownstreamThatIsDownForAWhileLosesNothingWhateverTheWorkers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 8, 32} {
		synctest.Test(t, func(t *testing.T) {
			b := memory.New()
			defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail", Type: broker.Quorum}}}))
			const sent = 5
			for i := range sent {
				e := processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, e))
			}
			up := time.Now().Add(30 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p, err := stack.New(ack.New(ack.RequeueOnError())).ThenFunc(func(context.Context, processor.Message) error {
				if time.Now().Before(up) {
					return errMail
				}
				return nil
			})
			require.NoError(t, err)
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(workers), quiet()))
			require.NoError(t, c.Run(ctx))
			require.Equal(t, uint64(sent), c.Stats().Done, workers)
		})
	}
}

// One that fails for good, among many that do not.
func TestAMessageThatAlwaysFailsTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail", Type: broker.Quorum}}}))
		publish := func(id string) {
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Properties: processor.Properties{ID: id}}))
		}
		publish("bad")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var bad, good atomic.Int64
		p, err := stack.New(ack.New(ack.RequeueOnError())).ThenFunc(func(_ context.Context, msg processor.Message) error {
			if msg.Properties().ID == "bad" {
				bad.Add(1)
				return errMail
			}
			good.Add(1)
			return nil
		})
		require.NoError(t, err)
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(8), quiet()))
		var publishing sync.WaitGroup
		defer publishing.Wait()
		publishing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				publish(strconv.Itoa(i))
				time.Sleep(10 * time.Millisecond)
			}
		})
		require.NoError(t, c.Run(ctx))
		require.Less(t, bad.Load(), int64(18), "20 returns take 38 s at least")
		require.Greater(t, good.Load(), int64(2900))
	})
}

func TestThePauseEndsWithAMessageThatDoesNotGoBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(messages(9)...)
		close(q.messages)
		var n int
		c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error {
			if n++; n%3 == 0 {
				return errMail // nacked without requeue
			}
			return processor.Requeue(errMail)
		}), quiet()))
		start := time.Now()
		require.NoError(t, c.Run(t.Context()))
		require.LessOrEqual(t, time.Since(start), 3*(100+200)*time.Millisecond)
	})
}

// keeper is a queue whose broker delays failed messages for a second, and redelivers released ones
// at once.
type keeper struct {
	*queue
	next chan struct{}
}

func newKeeper() *keeper {
	k := &keeper{queue: newQueue(), next: make(chan struct{}, 1)}
	k.deliver()
	return k
}

func (k *keeper) deliver() { k.next <- struct{}{} }

func (k *keeper) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	_, err := k.queue.Subscribe(ctx, o)
	k.channel.HoldsFailed = true
	return k, err
}

func (k *keeper) Receive(ctx context.Context) (*broker.Delivery, error) {
	select {
	case <-k.next:
		return k.channel.Deliver(processor.Envelope{}, processor.Origin{}, k, 1), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (k *keeper) Ack(uint64) error { return nil }
func (k *keeper) Nack(uint64, bool) error {
	time.AfterFunc(time.Second, k.deliver)
	return nil
}

func (k *keeper) Release(uint64) error {
	k.deliver()
	return nil
}

// The worker slept from 100 ms to 5 s after each failure, on top of the broker's own wait.
func TestWhereTheBrokerPacesTheConsumerDoesNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		outcome  error
		from, to uint64
	}{
		"failed":   {processor.Requeue(errMail), 60, 60},
		"released": {processor.Release(errMail), 13, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Millisecond)
				defer cancel()
				p, err := stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error { return tc.outcome })
				require.NoError(t, err)
				c := must.Have(consumer.New(newKeeper(), p, quiet()))
				require.NoError(t, c.Run(ctx))
				require.GreaterOrEqual(t, c.Stats().Received, tc.from)
				require.LessOrEqual(t, c.Stats().Received, tc.to)
				time.Sleep(time.Second) // for messages that the keeper still holds
			})
		})
	}
}

// idler counts how often it is told that the run is idle.
type idler struct {
	processor.Processor
	idled atomic.Int64
}

func (i *idler) Idle(context.Context) error { i.idled.Add(1); return nil }

// An insomniac ended the run, with all of its messages in the hands of its workers.
func TestARunThatHoldsMessagesIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 5)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var layer idler
		p, err := stack.New(func(next processor.Processor) processor.Processor {
			layer.Processor = next
			return &layer
		}, ack.New()).ThenFunc(func(context.Context, processor.Message) error { return processor.Release(errMail) })
		require.NoError(t, err)
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(5), quiet()))
		require.NoError(t, c.Run(ctx))
		require.Zero(t, layer.idled.Load())
		require.Greater(t, c.Stats().Released, uint64(50))
	})
}

// It was held while its worker had the turn to receive, and so nobody received.
func TestAMessageWithoutAKeyHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"a panic": func() { panic("no key") }, "an exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := mailbox(t, 300)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				p, err := stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error { return nil })
				require.NoError(t, err)
				c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(8), quiet(), consumer.OrderBy(func(msg processor.Message) string {
					if msg.Properties().ID == "7" {
						fail()
					}
					return msg.Properties().ID
				})))
				require.NoError(t, c.Run(ctx))
				require.Equal(t, uint64(299), c.Stats().Done)
				require.Positive(t, c.Stats().Requeued+c.Stats().Failed, "%+v", c.Stats())
			})
		})
	}
}

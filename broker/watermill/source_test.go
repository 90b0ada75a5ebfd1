package watermill_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// oneByOne is a subscriber that delivers a message when the previous one is settled, as most do,
// and notices an ack only after a while.
type oneByOne struct {
	bodies []string
	slow   time.Duration

	mu          sync.Mutex
	acked       []string
	nacked      []string
	unsettled   []string
	subscribers int
}

func (o *oneByOne) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	o.mu.Lock()
	o.subscribers++
	o.mu.Unlock()
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for _, body := range o.bodies {
			if !o.hand(ctx, out, body) {
				return
			}
		}
		<-ctx.Done()
	}()
	return out, nil
}

func (*oneByOne) Close() error { return nil }

// hand returns false when the subscription is over.
func (o *oneByOne) hand(ctx context.Context, out chan<- *message.Message, body string) bool {
	msg := message.NewMessage(body, []byte(body))
	life, done := context.WithCancel(ctx)
	defer done()
	msg.SetContext(life)
	select {
	case out <- msg:
	case <-ctx.Done():
		return false
	}
	time.Sleep(o.slow)
	if ctx.Err() != nil {
		o.write(&o.unsettled, body) // whatever was settled meanwhile
		return false
	}
	select {
	case <-msg.Acked():
		o.write(&o.acked, body)
	case <-msg.Nacked():
		o.write(&o.nacked, body)
	case <-ctx.Done():
		o.write(&o.unsettled, body)
		return false
	}
	return true
}

func (o *oneByOne) write(to *[]string, body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*to = append(*to, body)
}

func subscribe(tb testing.TB, s broker.Source, prefetch int) broker.Subscription {
	tb.Helper()
	sub, err := s.Subscribe(tb.Context(), broker.SubscribeOptions{Prefetch: prefetch})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, sub.Close(context.WithoutCancel(tb.Context()))) })
	return sub
}

func receive(tb testing.TB, s broker.Subscription) processor.Message {
	tb.Helper()
	msg, err := s.Receive(tb.Context())
	require.NoError(tb, err)
	return msg
}

// nothing fails if a message arrives within a while.
func nothing(tb testing.TB, s broker.Subscription) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(tb, err, context.DeadlineExceeded)
}

func TestAMessageOfASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		msg := receive(t, subscribe(t, must.Have(watermill.NewSource(&oneByOne{bodies: []string{"1"}}, "mail", watermill.Discard(nil))), 1))
		require.Equal(t, "1", string(msg.Body()))
		require.Equal(t, "1", msg.Properties().ID)
		require.Equal(t, processor.Origin{Queue: "mail", RoutingKey: "mail"}, msg.Origin())
		require.NoError(t, msg.Ack())
	})
}

// A GoChannel delivers every message, whether or not earlier ones were settled.
func TestThePrefetchIsABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{OutputChannelBuffer: 10})
		sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", watermill.Discard(nil))), 2)
		for range 4 {
			require.NoError(t, g.Publish("mail", message.NewMessage("", nil)))
		}
		first := receive(t, sub)
		_ = receive(t, sub)
		nothing(t, sub)
		require.NoError(t, first.Ack())
		require.NoError(t, receive(t, sub).Ack())
	})
}

func TestAReceiveThatEndsTakesNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", watermill.Discard(nil))), 1)
		nothing(t, sub)
		require.NoError(t, g.Publish("mail", message.NewMessage("", nil)))
		require.NoError(t, receive(t, sub).Ack())
	})
}

func TestAMessageThatItsSubscriberHasSettledIsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		msg := message.NewMessage("", nil)
		sub := subscribe(t, must.Have(watermill.NewSource(subscriberFunc(func(ctx context.Context) (<-chan *message.Message, error) {
			out := make(chan *message.Message, 1)
			out <- msg
			context.AfterFunc(ctx, func() { close(out) })
			return out, nil
		}), "mail", watermill.Discard(nil))), 1)
		m := receive(t, sub)
		msg.Nack()
		require.ErrorIs(t, m.Ack(), processor.ErrStale)
	})
}

// impatient is a subscriber that waits for a settlement for a limited time, and then redelivers the
// message, as NATS's does.
func impatient(patience time.Duration, body string) subscriberFunc {
	return func(ctx context.Context) (<-chan *message.Message, error) {
		out := make(chan *message.Message)
		hand := func() (settled bool) {
			msg := message.NewMessage("", []byte(body))
			life, done := context.WithTimeout(ctx, patience)
			defer done()
			msg.SetContext(life)
			select {
			case out <- msg:
			case <-ctx.Done():
				return true
			}
			select {
			case <-msg.Acked():
				return true
			case <-life.Done():
				return false
			}
		}
		go func() {
			defer close(out)
			for settled := false; !settled; {
				settled = hand()
			}
			<-ctx.Done()
		}()
		return out, nil
	}
}

func TestAnAckThatNobodyWaitsForAnyMoreIsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sub := subscribe(t, must.Have(watermill.NewSource(impatient(time.Second, "1"), "mail", watermill.Discard(nil))), 1)
		late := receive(t, sub)
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, late.Ack(), processor.ErrStale)
		again := receive(t, sub)
		require.Equal(t, "1", string(again.Body()))
		require.NoError(t, again.Ack())
		nothing(t, sub)
	})
}

// With PreserveContext a message has the context of its publisher, which may have ended.
func TestTheContextOfAPublisherSaysNothingOfAnAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{PreserveContext: true})
		sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", watermill.Discard(nil))), 1)
		msg := message.NewMessage("", nil)
		gone, leave := context.WithCancel(t.Context())
		msg.SetContext(gone)
		require.NoError(t, g.Publish("mail", msg))
		leave()
		require.NoError(t, receive(t, sub).Ack())
	})
}

func TestOneSubscriptionSubscribesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &oneByOne{}
		_ = subscribe(t, must.Have(watermill.NewSource(o, "mail", watermill.Discard(nil))), 50)
		require.Equal(t, 1, o.subscribers)
	})
}

func TestHowAMessageIsSettled(t *testing.T) {
	t.Parallel()
	problem := errors.New("disk full")
	for name, tc := range map[string]struct {
		settle        func(processor.Message) error
		deadFails     bool
		acked, nacked []string
		err           error
		dead          int
	}{
		"ack":              {settle: processor.Message.Ack, acked: []string{"1"}},
		"requeue":          {settle: func(m processor.Message) error { return m.Nack(true) }, nacked: []string{"1"}},
		"release":          {settle: func(m processor.Message) error { return m.(*broker.Delivery).Release() }, nacked: []string{"1"}}, //nolint:forcetypeassert // it is one
		"reject":           {settle: func(m processor.Message) error { return m.Nack(false) }, acked: []string{"1"}, dead: 1},
		"reject, in vain":  {settle: func(m processor.Message) error { return m.Nack(false) }, deadFails: true, nacked: []string{"1"}, err: problem, dead: 1},
		"twice":            {settle: func(m processor.Message) error { return errors.Join(m.Ack(), m.Nack(true)) }, acked: []string{"1"}, err: processor.ErrSettled},
		"requeue, and ack": {settle: func(m processor.Message) error { return errors.Join(m.Nack(true), m.Ack()) }, nacked: []string{"1"}, err: processor.ErrSettled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := &oneByOne{bodies: []string{"1"}}
				var dead deadLetters
				if tc.deadFails {
					dead.failure = problem
				}
				err := tc.settle(receive(t, subscribe(t, must.Have(watermill.NewSource(o, "mail", dead.take)), 1)))
				if tc.err == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tc.err)
				}
				synctest.Wait()
				require.Equal(t, tc.acked, o.acked)
				require.Equal(t, tc.nacked, o.nacked)
				require.Equal(t, slices.Repeat([]string{"mail"}, tc.dead), append([]string{}, dead.topics...))
			})
		})
	}
}

// A subscriber that is told to end may forget an ack that it has not noticed yet.
func TestWhatWasAckedStaysAckedHoweverSoonItIsClosed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, broker.Subscription){
		"close": func(t *testing.T, s broker.Subscription) { t.Helper(); require.NoError(t, s.Close(t.Context())) },
		"pause": func(_ *testing.T, s broker.Subscription) { <-s.Pause() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := &oneByOne{bodies: []string{"1", "2"}, slow: 100 * time.Millisecond}
				sub := subscribe(t, must.Have(watermill.NewSource(o, "mail", watermill.Discard(nil))), 1)
				require.NoError(t, receive(t, sub).Ack())
				end(t, sub)
				require.Equal(t, []string{"1"}, o.acked)
				require.NotContains(t, o.unsettled, "1", "the second may still be handed over while it ends")
			})
		})
	}
}

// A context that never ends, as with PreserveContext of a GoChannel.
func TestASubscriberThatTellsNothingHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{PreserveContext: true})
		sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", watermill.Discard(nil))), 5)
		for range 20 {
			require.NoError(t, g.Publish("mail", message.NewMessage("", nil)))
			require.NoError(t, receive(t, sub).Ack())
		}
		start := time.Now()
		require.NoError(t, sub.Close(t.Context()))
		require.Equal(t, 500*time.Millisecond, time.Since(start))
	})
}

func TestInAPauseWhatIsInHandCanBeSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &oneByOne{bodies: []string{"1", "2"}}
		sub := subscribe(t, must.Have(watermill.NewSource(o, "mail", watermill.Discard(nil))), 5)
		msg := receive(t, sub)
		sub.Pause()
		sub.Pause()
		waiting, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := sub.Receive(waiting)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, msg.Ack())
		synctest.Wait()
		require.Equal(t, []string{"1"}, o.acked)
		require.NoError(t, sub.Close(t.Context()))
	})
}

func TestTheLastSettlementInAPauseEndsTheSubscriber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		sub, err := must.Have(watermill.NewSource(subscriberFunc(func(ctx context.Context) (<-chan *message.Message, error) {
			out := make(chan *message.Message, 2)
			for range 2 {
				out <- message.NewMessage("", nil)
			}
			context.AfterFunc(ctx, func() {
				close(out)
				close(ended)
			})
			return out, nil
		}), "mail", watermill.Discard(nil))).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 5})
		require.NoError(t, err)
		first, second := receive(t, sub), receive(t, sub)
		sub.Pause()
		require.NoError(t, first.Ack())
		time.Sleep(time.Hour)
		require.False(t, isClosed(ended))
		require.NoError(t, second.Nack(true))
		<-ended
	})
}

func TestCloseGivesBackWhatIsInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var handed []*message.Message
		sub, err := must.Have(watermill.NewSource(subscriberFunc(func(ctx context.Context) (<-chan *message.Message, error) {
			out := make(chan *message.Message, 3)
			for range 3 {
				handed = append(handed, message.NewMessage("", nil))
				out <- handed[len(handed)-1]
			}
			context.AfterFunc(ctx, func() { close(out) })
			return out, nil
		}), "mail", watermill.Discard(nil))).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 3})
		require.NoError(t, err)
		first, second := receive(t, sub), receive(t, sub)
		require.NoError(t, second.Ack())
		require.NoError(t, sub.Close(t.Context()))
		require.True(t, isClosed(handed[0].Nacked()))
		require.True(t, isClosed(handed[1].Acked()))
		require.True(t, isClosed(handed[2].Nacked()), "nobody has received it")
		require.ErrorIs(t, first.Ack(), processor.ErrStale)
		require.False(t, isClosed(handed[0].Acked()))
		require.True(t, first.(*broker.Delivery).Lost()) //nolint:forcetypeassert // it is one
	})
}

func TestASubscriberThatEndsIsTheEndOfTheSource(t *testing.T) {
	t.Parallel()
	g := gochannel.NewGoChannel(gochannel.Config{}, nil)
	sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", watermill.Discard(nil))), 1)
	require.NoError(t, g.Close())
	_, err := sub.Receive(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

func TestASubscriberThatDoesNotLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan *message.Message)
		sub, err := must.Have(watermill.NewSource(subscriberFunc(func(context.Context) (<-chan *message.Message, error) {
			return stuck, nil
		}), "mail", watermill.Discard(nil))).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, sub.Close(ctx), context.DeadlineExceeded)
		close(stuck)
		require.NoError(t, sub.Close(t.Context()))
	})
}

func TestWrongArgumentsOfASource(t *testing.T) {
	t.Parallel()
	dead := watermill.Discard(nil)
	for _, s := range []message.Subscriber{nil, (*oneByOne)(nil)} {
		require.Error(t, must.Fail(watermill.NewSource(s, "mail", dead)))
	}
	for says, err := range map[string]error{
		"it is nil":          must.Fail(watermill.NewSource(nil, "mail", dead)),
		"the topic is empty": must.Fail(watermill.NewSource(&oneByOne{}, "", dead)),
		"there is no place":  must.Fail(watermill.NewSource(&oneByOne{}, "mail", nil)),
	} {
		require.ErrorContains(t, err, says)
	}
	_, err := must.Have(watermill.NewSource(&oneByOne{}, "mail", dead)).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 0})
	require.Error(t, err)
	_, err = must.Have(watermill.NewSource(subscriberFunc(func(context.Context) (<-chan *message.Message, error) {
		return nil, errMail
	}), "mail", dead)).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, errMail)
}

func TestSubscribingEndsWithItsContextAndTheSubscriptionDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waits := subscriberFunc(func(ctx context.Context) (<-chan *message.Message, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := must.Have(watermill.NewSource(waits, "mail", watermill.Discard(nil))).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()

		ctx, cancel = context.WithCancel(t.Context())
		sub, err := must.Have(watermill.NewSource(&oneByOne{bodies: []string{"1"}}, "mail", watermill.Discard(nil))).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		cancel()
		require.NoError(t, receive(t, sub).Ack())
		require.NoError(t, sub.Close(t.Context()))
	})
}

type subscriberFunc func(ctx context.Context) (<-chan *message.Message, error)

func (f subscriberFunc) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	return f(ctx)
}

func (subscriberFunc) Close() error { return nil }

// The count is in the metadata, so it works on every broker.
func TestAStackRetriesOnAGoChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		pub := must.Have(watermill.NewPublisher(g))
		parked, err := g.Subscribe(t.Context(), "dead")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		counts := make(chan any, 3)
		var runs sync.WaitGroup
		for _, topic := range []string{"mail", "mail.1", "mail.2"} {
			p, err := stack.New(ack.New(), retry.New(pub, "mail.%attempt%", retry.Retries(2), retry.ParkKey("dead"), retry.Logger(quiet))).
				ThenFunc(func(_ context.Context, msg processor.Message) error {
					counts <- msg.Headers()["swarrot_retry_attempts"]
					return errMail
				})
			require.NoError(t, err)
			runs.Go(func() {
				require.NoError(t, must.Have(consumer.New(must.Have(watermill.NewSource(g, topic, watermill.Return)), p, consumer.Logger(quiet))).Run(ctx))
			})
		}
		synctest.Wait()
		require.NoError(t, pub.Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Properties: processor.Properties{ID: "id"}}))
		for _, want := range []any{nil, int64(1), int64(2)} {
			require.Equal(t, want, <-counts)
		}
		last := <-parked
		last.Ack()
		require.Equal(t, "id", last.UUID)
		require.Equal(t, errMail.Error(), last.Metadata["warren-error"])
		require.Equal(t, "mail", last.Metadata["warren-original-routing-key"])
		cancel()
		runs.Wait()
	})
}

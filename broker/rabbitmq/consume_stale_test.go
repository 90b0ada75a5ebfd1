package rabbitmq_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The tags of a channel are those of the previous one: no settlement of an old delivery may reach a
// new one, or end the connection.
func TestNoSettlementOfALostChannelReachesTheNext(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	l := newLink(t, url)
	w := newWard(t, url, "classic", l.option())
	const n = 12
	w.fill(t, n)
	sub := subscribe(t, w.broker, w.queue, n)
	var old, inHand []processor.Message
	for range n {
		old = append(old, receive(t, sub))
	}
	l.consuming((*pair).cut)
	for range n {
		inHand = append(inHand, receive(t, sub))
	}
	settle := []func(processor.Message) error{
		processor.Message.Ack,
		func(m processor.Message) error { return m.Nack(false) },
		func(m processor.Message) error { return m.Nack(true) },
		func(m processor.Message) error { return m.(*broker.Delivery).Release() }, //nolint:forcetypeassert // it is one
	}
	for i, m := range old {
		require.ErrorIs(t, settle[i%len(settle)](m), processor.ErrStale)
		require.ErrorIs(t, m.Ack(), processor.ErrSettled)
	}
	observer := raw(t, url)
	requireCounts := func(ready int) {
		t.Helper()
		seen, err := observer.QueueDeclarePassive(w.queue, true, false, false, false, nil)
		require.NoError(t, err)
		require.Equal(t, ready, seen.Messages)
		require.Equal(t, 1, seen.Consumers)
	}
	requireCounts(0)
	require.NoError(t, inHand[0].Ack())
	require.NoError(t, inHand[1].Nack(true))
	require.Equal(t, inHand[1].Properties().ID, receive(t, sub).Properties().ID, "the channel lives")
	require.Equal(t, int64(2), l.consumes.Load(), "the same one")
	closeSubscription(t, sub)
	ready(t, w.broker, w.queue, n-1)
}

// hoarder settles at random, and keeps some messages until their channel is long gone.
type hoarder struct {
	broker.Subscription
	link *link

	mu    sync.Mutex
	taken int
	kept  []processor.Message
	acked map[string]bool // on its own channel
	late  int             // settlements that came too late
}

func (h *hoarder) work(ctx context.Context) {
	for {
		m, err := h.Receive(ctx)
		if err != nil {
			return
		}
		h.take(m)
		<-time.After(5 * time.Millisecond)
	}
}

func (h *hoarder) take(m processor.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken++
	switch rand.N(6) {
	case 0:
		h.note(m.Nack(true))
	case 1:
		h.note(m.(*broker.Delivery).Release()) //nolint:forcetypeassert // it is one
	case 2:
		h.kept = append(h.kept, m)
	default:
		h.ack(m)
	}
}

func (h *hoarder) ack(m processor.Message) {
	if h.note(m.Ack()) {
		h.acked[m.Properties().ID] = true
	}
}

func (h *hoarder) note(err error) (ok bool) {
	if err != nil {
		h.late++
	}
	return err == nil
}

// disgorge acks all kept messages, on whichever channel they came, and returns how many were acked
// so far.
func (h *hoarder) disgorge() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.kept {
		h.ack(m)
	}
	h.kept = nil
	return len(h.acked)
}

// takes waits for n more messages.
func (h *hoarder) takes(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.taken
	}
	goal := count() + n
	require.Eventually(t, func() bool { return count() >= goal }, patience, time.Millisecond)
}

// If one settlement reached another message, that would never be acked on its own channel.
func TestEachMessageIsAckedOnItsOwnChannelWhileChannelsComeAndGo(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			const n = 250
			l := newLink(t, url)
			w := newWard(t, url, []string{"classic", "quorum"}[i%2], l.option())
			w.fill(t, n)
			h := &hoarder{link: l, acked: map[string]bool{}, Subscription: subscribe(t, w.broker, w.queue, 50)}
			ctx, cancel := context.WithCancel(t.Context())
			var workers sync.WaitGroup
			workers.Go(func() { h.work(ctx) })
			workers.Go(func() { h.work(ctx) })
			for loss := range 5 {
				h.takes(t, 25)
				l.consuming([]func(*pair){(*pair).cut, (*pair).cancel}[loss%2])
				require.Eventually(t, func() bool { return l.consumes.Load() == int64(loss+2) }, patience, time.Millisecond)
				h.takes(t, 10) // of the next channel, and have the tags of those that are kept
				h.disgorge()
			}
			require.Eventually(t, func() bool { return h.disgorge() == n }, patience, 10*time.Millisecond)
			cancel()
			workers.Wait()
			require.Equal(t, int64(6), l.consumes.Load(), "no settlement has ended a channel")
			require.Greater(t, h.late, 5)
			closeSubscription(t, h)
		})
	}
}

// The client goes on delivering what it has buffered when the consumer is cancelled, and its
// channel is open for a moment: a rejection in that moment would use up an attempt.
func TestWhatWasBufferedWhenTheConsumerWasCancelledIsNeitherHandedOutNorRejected(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	l := newLink(t, url)
	w := newWard(t, url, "quorum", l.option())
	var rejections atomic.Int64
	watch := func(frame []byte) {
		if isMethod(frame, basicReject) || isMethod(frame, basicNack) {
			rejections.Add(1)
		}
	}
	l.before.Store(&watch)
	const inHand, n = 40, 80
	w.fill(t, n)
	sub := subscribe(t, w.broker, w.queue, n)
	var settled sync.WaitGroup
	first := receive(t, sub)
	life := first.(*broker.Delivery).Context() //nolint:forcetypeassert // it is one
	for i := range inHand {
		m := receive(t, sub)
		settled.Add(1)
		context.AfterFunc(life, func() {
			defer settled.Done()
			if i%2 == 0 {
				_ = m.Nack(true)
			} else {
				_ = m.(*broker.Delivery).Release() //nolint:forcetypeassert // it is one
			}
		})
	}
	ready(t, w.broker, w.queue, 0) // the others are with the client
	require.Equal(t, 1, l.consuming((*pair).cancel))
	<-life.Done()
	require.ErrorIs(t, context.Cause(life), processor.ErrStale)
	for range n {
		require.True(t, receive(t, sub).Origin().Redelivered)
	}
	settled.Wait()
	require.Equal(t, ofTheSource(t), rejections.Load(), "none is of a handler")
}

// ofTheSource is how often a source requeues when the broker has cancelled its consumer: all at
// once from RabbitMQ 4.0 on, and from 4.3 on the oldest once more, since it may have been over the
// consumer timeout.
func ofTheSource(t *testing.T) int64 {
	t.Helper()
	switch v := rabbitmqtest.Version(t); {
	case v.AtLeast(4, 3):
		return 2
	case v.AtLeast(4, 0):
		return 1
	}
	return 0
}

var (
	basicReject = []byte{0, 60, 0, 90}
	basicNack   = []byte{0, 60, 0, 120}
)

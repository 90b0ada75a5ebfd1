package memory

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/processor"
)

// subscription is one consumer of a queue. The queue delivers messages to it as long as it
// has room, whether or not a Receive is waiting: that is what prefetch means.
type subscription struct {
	state    *state
	prefetch int
	channel  *broker.Channel
	ordered  bool

	// Guarded by the broker's mutex.
	queue     *queue.Queue
	consumer  queue.Consumer
	unsettled map[uint64]*queue.Entry // by delivery tag
	lastTag   uint64
	received  uint64    // the last tag that was received; those up to lastTag were not
	waiters   []*waiter // in Receive; empty while something may be received
	inHand    int       // received, and not settled
	paused    bool
	back      chan struct{} // closed when the messages of an ordered pause are back; nil without one
	closed    bool
	err       error // why it has ended by itself
}

// waiter is a call of Receive that found nothing.
type waiter struct {
	// done is closed once delivery is set, or once there will be none.
	done     chan struct{}
	delivery *broker.Delivery
}

var _ broker.Subscription = (*subscription)(nil)

// newSubscription joins the queue.
func newSubscription(state *state, q *queue.Queue, o broker.SubscribeOptions) *subscription {
	s := &subscription{
		state: state, prefetch: o.Prefetch, channel: broker.NewChannel(o), ordered: o.Ordered,
		queue: q, unsettled: map[uint64]*queue.Entry{},
	}
	s.consumer = queue.Consumer{Options: o.Consumer, HasRoom: s.hasRoom, Take: s.take}
	s.channel.HoldsFailed = q.Settings.DelaysRetries()
	state.subscriptions[&s.consumer] = s.lose
	q.Join(&s.consumer)
	return s
}

func (s *subscription) Receive(ctx context.Context) (*broker.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, w := s.next()
	if d != nil {
		return d, nil
	}
	if w == nil {
		return nil, s.reason()
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if s.forget(w) {
			return nil, ctx.Err()
		}
		// It got a message, or the end, before it could be removed.
	}
	if w.delivery == nil {
		return nil, s.reason()
	}
	return w.delivery, nil
}

// reason is why there are no more messages. It is read after the end of the subscription.
func (s *subscription) reason() error { return cmp.Or(s.err, io.EOF) }

// next returns a message, or a waiter for one, or neither at the end.
func (s *subscription) next() (*broker.Delivery, *waiter) {
	s.state.Lock()
	defer s.state.Unlock()
	if s.closed {
		return nil, nil
	}
	if s.received < s.lastTag && !s.paused && s.back == nil {
		return s.delivery(), nil
	}
	w := &waiter{done: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	return nil, w
}

// forget removes a waiter. It returns false if that is too late.
func (s *subscription) forget(w *waiter) bool {
	s.state.Lock()
	defer s.state.Unlock()
	i := slices.Index(s.waiters, w)
	if i < 0 {
		return false
	}
	s.waiters = slices.Delete(s.waiters, i, i+1)
	return true
}

func (s *subscription) hasRoom() bool {
	return !s.closed && !s.paused && s.back == nil && len(s.unsettled) < s.prefetch
}

// take is called by the queue, and only while there is room.
func (s *subscription) take(e *queue.Entry) {
	s.lastTag++
	s.unsettled[s.lastTag] = e
	if len(s.waiters) == 0 {
		return
	}
	w := s.waiters[0]
	s.waiters = slices.Delete(s.waiters, 0, 1)
	w.delivery = s.delivery()
	close(w.done)
}

// delivery receives the next tag.
func (s *subscription) delivery() *broker.Delivery {
	s.received++
	s.inHand++
	e := s.unsettled[s.received]
	envelope := e.Envelope
	var origin processor.Origin
	envelope.Headers, origin = s.queue.Show(e)
	return s.channel.Deliver(envelope, origin, s, s.received)
}

// Close gives everything back, all at once and in order. It does not block.
func (s *subscription) Close(context.Context) error {
	s.state.Lock()
	defer s.state.Unlock()
	if _, open := s.state.subscriptions[&s.consumer]; !open {
		return nil
	}
	if !s.paused && !s.closed && s.back == nil {
		s.queue.Leave(&s.consumer)
	}
	s.end()
	for _, tag := range slices.Sorted(maps.Keys(s.unsettled)) {
		s.queue.Abandon(s.unsettled[tag])
	}
	s.lose()
	s.queue.Balance()
	delete(s.state.subscriptions, &s.consumer)
	return nil
}

// lose ends all receiving and settling.
func (s *subscription) lose() {
	s.end()
	clear(s.unsettled)
	s.channel.Lose(nil)
}

// end ends all receiving.
func (s *subscription) end() {
	s.closed = true
	if s.back != nil {
		close(s.back)
		s.back = nil
	}
	for _, w := range s.waiters {
		close(w.done)
	}
	s.waiters = nil
}

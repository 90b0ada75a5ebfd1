package memory

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// subscription is one consumer of a queue. The queue delivers messages to it as long as it
// has room, whether or not a Receive is waiting: that is what prefetch means.
type subscription struct {
	queue    *queue
	prefetch int
	channel  *broker.Channel
	consumer broker.ConsumerOptions
	ordered  bool

	// Guarded by the broker's mutex.
	unsettled  map[uint64]*entry // by delivery tag
	unreceived deque[uint64]     // tags that were not received
	lastTag    uint64
	waiters    []*waiter // in Receive; empty while something is unreceived
	hungry     bool      // it is in the queue's list of those
	inHand     int       // received, and not settled
	paused     bool
	back       chan struct{} // closed when the messages of an ordered pause are back; nil without one
	closed     bool
	err        error // why it has ended by itself
}

// waiter is a call of Receive that found nothing.
type waiter struct {
	// done is closed once delivery is set, or once there will be none.
	done     chan struct{}
	delivery *broker.Delivery
}

var _ broker.Subscription = (*subscription)(nil)

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
	s.queue.broker.mu.Lock()
	defer s.queue.broker.unlock()
	if s.closed {
		return nil, nil
	}
	if s.unreceived.len() > 0 && !s.paused && s.back == nil {
		return s.delivery(s.unreceived.popFront()), nil
	}
	w := &waiter{done: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	return nil, w
}

// forget removes a waiter. It returns false if that is too late.
func (s *subscription) forget(w *waiter) bool {
	s.queue.broker.mu.Lock()
	defer s.queue.broker.unlock()
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
func (s *subscription) take(e *entry) {
	s.lastTag++
	s.unsettled[s.lastTag] = e
	if len(s.waiters) == 0 {
		s.unreceived.pushBack(s.lastTag)
		return
	}
	w := s.waiters[0]
	s.waiters = slices.Delete(s.waiters, 0, 1)
	w.delivery = s.delivery(s.lastTag)
	close(w.done)
}

func (s *subscription) delivery(tag uint64) *broker.Delivery {
	s.inHand++
	e := s.unsettled[tag]
	envelope := e.message.envelope
	envelope.Headers = s.queue.addCounts(envelope.Headers, e)
	return s.channel.Deliver(envelope, processor.Origin{
		Queue:       s.queue.name,
		Exchange:    e.message.exchange,
		RoutingKey:  e.message.keys[0],
		Redelivered: s.queue.redelivered(e),
	}, s, tag)
}

// Pause gives back the messages that were not received: at once, or where the order matters
// together with those in flight, since a quorum queue keeps the order of returns.
func (s *subscription) Pause() (back <-chan struct{}) {
	s.queue.broker.mu.Lock()
	defer s.queue.broker.unlock()
	switch {
	case s.back != nil:
		s.paused = true
		return s.back
	case s.paused || s.closed:
		return done
	}
	s.paused = true
	s.queue.leave()
	if s.ordered {
		held := make(chan struct{})
		s.back = held
		s.giveBack()
		return held
	}
	for s.unreceived.len() > 0 {
		tag := s.unreceived.popFront()
		s.queue.release(s.unsettled[tag])
		delete(s.unsettled, tag)
	}
	s.queue.balance()
	return done
}

// giveBack gives back the messages of an ordered pause, when none is in flight any more.
func (s *subscription) giveBack() {
	if s.back == nil || s.inHand > 0 {
		return
	}
	s.unreceived = deque[uint64]{}
	for _, tag := range slices.Sorted(maps.Keys(s.unsettled)) {
		s.queue.release(s.unsettled[tag])
	}
	clear(s.unsettled)
	close(s.back)
	s.back = nil
	if !s.paused { // it was resumed meanwhile
		s.join()
	}
	s.queue.balance()
}

// done is closed.
var done = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Resume takes messages again, once those of an ordered pause are back.
func (s *subscription) Resume() {
	s.queue.broker.mu.Lock()
	defer s.queue.broker.unlock()
	if !s.paused || s.closed {
		return
	}
	s.paused = false
	if s.back == nil {
		s.join()
	}
}

// join joins the queue again, which may be deleted or in exclusive use meanwhile.
func (s *subscription) join() {
	if q := s.queue.broker.queues[s.queue.name]; s.queue.expired && q != nil && len(s.unsettled) == 0 {
		s.queue = q // it was declared again
	}
	switch err := s.queue.admit(s.consumer); {
	case s.queue.expired:
		s.fail(noQueue(s.queue.name))
	case err != nil:
		s.fail(err)
	default:
		s.queue.join(s)
	}
}

// fail ends the subscription by itself.
func (s *subscription) fail(err error) {
	s.err = err
	s.end()
}

// Close gives everything back, all at once and in order. It does not block.
func (s *subscription) Close(context.Context) error {
	b := s.queue.broker
	b.mu.Lock()
	defer b.unlock()
	if _, open := b.subscriptions[s]; !open {
		return nil
	}
	if !s.paused && !s.closed && s.back == nil {
		s.queue.leave()
	}
	s.end()
	for _, tag := range slices.Sorted(maps.Keys(s.unsettled)) {
		s.queue.abandon(s.unsettled[tag])
	}
	s.vanish()
	s.queue.balance()
	delete(b.subscriptions, s)
	return nil
}

// vanish ends all settling.
func (s *subscription) vanish() {
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

package memory

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/processor"
)

var _ broker.Acknowledger = (*subscription)(nil)

// Ack forgets the message.
func (s *subscription) Ack(tag uint64) error {
	return s.settle(tag, func(*queue.Queue, *queue.Entry) {})
}

// Nack dead-letters the message or, with requeue, gives it back as failed.
func (s *subscription) Nack(tag uint64, requeue bool) error {
	if requeue {
		return s.settle(tag, (*queue.Queue).Retry)
	}
	return s.settle(tag, (*queue.Queue).Reject)
}

// Release gives the message back. It does not count toward a delivery limit, from RabbitMQ 4.3
// on. In an ordered pause it goes back with the others.
func (s *subscription) Release(tag uint64) error { return s.settle(tag, nil) }

// settle ends a delivery with outcome, nil if it is released.
func (s *subscription) settle(tag uint64, outcome func(*queue.Queue, *queue.Entry)) error {
	s.state.Lock()
	defer s.state.Unlock()
	e, ok := s.unsettled[tag]
	if !ok {
		return processor.ErrStale // tags are settled once, so the subscription was closed
	}
	s.inHand--
	switch {
	case outcome != nil:
		delete(s.unsettled, tag)
		outcome(s.queue, e)
	case s.back == nil:
		delete(s.unsettled, tag)
		s.queue.Release(e)
	}
	s.giveBack()
	s.queue.Feed(&s.consumer)
	return nil
}

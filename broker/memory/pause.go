package memory

import (
	"maps"
	"slices"
)

// Pause gives back the messages that were not received: at once, or where the order matters
// together with those in flight, since a quorum queue keeps the order of returns.
func (s *subscription) Pause() (back <-chan struct{}) {
	s.state.Lock()
	defer s.state.Unlock()
	switch {
	case s.back != nil:
		s.paused = true
		return s.back
	case s.paused || s.closed:
		return nothingBack
	}
	s.paused = true
	s.queue.Leave(&s.consumer)
	if s.ordered {
		held := make(chan struct{})
		s.back = held
		s.giveBack()
		return held
	}
	for ; s.received < s.lastTag; s.received++ {
		s.queue.Release(s.unsettled[s.received+1])
		delete(s.unsettled, s.received+1)
	}
	s.queue.Balance()
	return nothingBack
}

// giveBack gives back the messages of an ordered pause, when none is in flight any more.
func (s *subscription) giveBack() {
	if s.back == nil || s.inHand > 0 {
		return
	}
	s.received = s.lastTag
	for _, tag := range slices.Sorted(maps.Keys(s.unsettled)) {
		s.queue.Release(s.unsettled[tag])
	}
	clear(s.unsettled)
	close(s.back)
	s.back = nil
	if !s.paused { // it was resumed meanwhile
		s.join()
	}
	s.queue.Balance()
}

// nothingBack is closed: what Pause returns when nothing has to go back.
var nothingBack = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Resume takes messages again, once those of an ordered pause are back.
func (s *subscription) Resume() {
	s.state.Lock()
	defer s.state.Unlock()
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
	if q := s.state.queues[s.queue.Name]; s.queue.Expired && q != nil && len(s.unsettled) == 0 {
		s.queue = q // it was declared again
	}
	switch err := s.queue.Admit(s.consumer.Options); {
	case s.queue.Expired:
		s.fail(noQueue(s.queue.Name))
	case err != nil:
		s.fail(err)
	default:
		s.queue.Join(&s.consumer)
	}
}

// fail ends the subscription by itself.
func (s *subscription) fail(err error) {
	s.err = err
	s.end()
}

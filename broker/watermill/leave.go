package watermill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
)

// heed is how long a subscriber is given to see that its last messages are settled, before
// the subscription ends: it forgets what it has not seen.
const heed = 500 * time.Millisecond

// Stop receives no more. What nobody has received goes back at once if nothing is in hand,
// and otherwise when that has been settled.
func (s *subscription) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.halt()
	idle := len(s.inHand) == 0
	s.mu.Unlock()
	if !idle {
		return nil
	}
	s.leave(nil)
	return s.left(ctx)
}

// Close nacks what is in hand, and ends the subscription.
func (s *subscription) Close(ctx context.Context) error {
	s.mu.Lock()
	s.halt()
	inHand := s.inHand
	s.inHand = nil
	s.mu.Unlock()
	s.perish(processor.ErrStale)
	s.leave(inHand)
	return s.left(ctx)
}

// halt is called with mu held, so that nothing is taken after it.
func (s *subscription) halt() { s.halting.Do(func() { close(s.stopped) }) }

// leave ends the subscription in a goroutine, which ends when the subscriber has closed its
// channel. Nothing is in hand any more, but for unsettled.
func (s *subscription) leave(unsettled map[uint64]*message.Message) {
	s.leaving.Do(func() {
		s.mu.Lock()
		settled := s.settled
		s.mu.Unlock()
		go func() {
			defer close(s.drained)
			await(settled)
			s.end()
			// Nacked before, a message would come again in this very subscription.
			for _, msg := range unsettled {
				msg.Nack()
			}
			giveBack(s.messages)
		}()
	})
}

// left waits for the end of that goroutine.
func (s *subscription) left(ctx context.Context) error {
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("watermill: the subscriber has not let go of topic %q: %w", s.topic, ctx.Err())
	}
}

// remember keeps the context of a message that is settled, until its subscriber has ended
// it. It is called with mu held.
func (s *subscription) remember(settled context.Context) {
	s.settled = slices.DeleteFunc(s.settled, func(ctx context.Context) bool { return ctx.Err() != nil })
	if len(s.settled) == cap(s.room) {
		s.settled = slices.Delete(s.settled, 0, 1) // of a subscriber that ends none
	}
	s.settled = append(s.settled, settled)
}

func await(settled []context.Context) {
	patience := time.NewTimer(heed)
	defer patience.Stop()
	for _, ctx := range settled {
		select {
		case <-ctx.Done():
		case <-patience.C:
			return
		}
	}
}

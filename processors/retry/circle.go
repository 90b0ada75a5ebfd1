package retry

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/argument"
)

// circle says which message would be dead-lettered in a circle without end.
func (c *config) circle(work broker.Queue) error {
	if work.Name == "" {
		return errors.New("retry: the work queue has no name: what waits would have nowhere to come back to")
	}
	if work.Name == c.parkKey {
		return fmt.Errorf("retry: park key %q is the work queue: a parked message would come back at once, for ever", c.parkKey)
	}
	if c.others {
		return nil // the queues are not ours to judge
	}
	target, dead := argument.DeadLetters(work.AllArguments())
	for _, w := range c.waits() {
		switch {
		case w.key == work.Name:
			return fmt.Errorf("retry: the work queue %q is also the queue of a retry: it would retry at once, without a delay", w.key)
		case dead && w.key == target.Key && (target.Exchange == "" || target.Exchange == c.exchange):
			return fmt.Errorf("retry: the work queue dead-letters into the retry queue %q: what it rejects would come back for ever, and be counted by nobody, "+
				"and what it gives up at its delivery limit would be lost as a cycle; have it dead-letter to the park key, or nowhere", w.key)
		}
	}
	return nil
}

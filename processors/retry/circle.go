package retry

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// circle says which message would go round for ever.
func (c *config) circle(work broker.Queue) error {
	if work.Name == "" {
		return errors.New("retry: the work queue has no name: what waits would have nowhere to come back to")
	}
	if work.Name == c.parkKey {
		return fmt.Errorf("retry: park key %q is the work queue: a parked message would come back at once, for ever", c.parkKey)
	}
	exchange, key := deadLetters(work)
	for _, w := range c.waits() {
		switch {
		case w.key == work.Name:
			return fmt.Errorf("retry: the work queue %q is also the queue of a retry: it would retry at once, without a delay", w.key)
		case w.key == key && (exchange == "" || exchange == c.exchange):
			return fmt.Errorf("retry: the work queue dead-letters into the retry queue %q: what it rejects would come back for ever, and be counted by nobody, "+
				"and what it gives up at its delivery limit would be lost as a cycle; have it dead-letter to the park key, or nowhere", w.key)
		}
	}
	return nil
}

// deadLetters is where a queue sends its dead letters. A key of "" is the message's own.
func deadLetters(q broker.Queue) (exchange, key string) {
	arguments := q.AllArguments()
	exchange, _ = arguments.String("x-dead-letter-exchange")
	key, _ = arguments.String("x-dead-letter-routing-key")
	return exchange, key
}

// fragile says why what has waited would not reach the work queue: when a node starts,
// classic queues hand on what is due before a quorum queue has a leader.
func (c *config) fragile(work broker.Queue) error {
	kind, _ := work.AllArguments().String("x-queue-type")
	if c.retries == 0 || c.queueType != broker.Classic || kind != string(broker.Quorum) {
		return nil
	}
	return fmt.Errorf("retry: the work queue %q is a quorum queue and QueueType is classic: what falls due while a node restarts is handed on "+
		"before the work queue has a leader, and lost; leave QueueType out, or have a classic work queue", work.Name)
}

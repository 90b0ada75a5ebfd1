package retry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
)

// circle says which message would go round for ever.
func (c *config) circle(work broker.Queue) error {
	if work.Name == "" {
		return errors.New("retry: the work queue has no name: what waits would have nowhere to come back to")
	}
	if work.Name == c.finalKey {
		return fmt.Errorf("retry: final key %q is the work queue: a parked message would come back at once, for ever", c.finalKey)
	}
	exchange, key := deadLetters(work)
	for _, w := range c.waits() {
		switch {
		case w.key == work.Name:
			return fmt.Errorf("retry: the work queue %q is also the queue of a retry: it would retry at once, without a delay", w.key)
		case w.key == key && (exchange == "" || exchange == c.exchange):
			return fmt.Errorf("retry: the work queue dead-letters into the retry queue %q: what it rejects would come back for ever, and be counted by nobody; "+
				"have it dead-letter to the final key, or nowhere", w.key)
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
	if c.attempts == 0 || c.queueType != broker.Classic || kind != string(broker.Quorum) {
		return nil
	}
	return fmt.Errorf("retry: the work queue %q is a quorum queue and QueueType is classic: what falls due while a node restarts is handed on "+
		"before the work queue has a leader, and lost; leave QueueType out, or have a classic work queue", work.Name)
}

// overflow says why the work queue would not take back what has waited.
func overflow(work broker.Queue) error {
	arguments := work.AllArguments()
	full, _ := arguments.String("x-overflow")
	_, messages := arguments.Int64("x-max-length")
	_, bytes := arguments.Int64("x-max-length-bytes")
	if !strings.HasPrefix(full, string(broker.RejectPublish)) || !messages && !bytes {
		return nil
	}
	return fmt.Errorf("retry: the work queue %q refuses messages when it is full (overflow %s), also those that come back from a retry queue: "+
		"a classic retry queue drops them then, and a quorum one holds them and after a few everything behind them; "+
		"let the work queue have no length, or no such overflow", work.Name, full)
}

// goes says why the work queue would not be there for what has waited.
func goes(work broker.Queue) error {
	var when, change string
	switch _, expires := work.AllArguments()["x-expires"]; {
	case work.AutoDelete:
		when, change = "with its last consumer", "AutoDelete"
	case work.Exclusive:
		when, change = "with its connection", "Exclusive"
	case expires:
		when, change = "when it is unused for a while", "Expires (x-expires)"
	default:
		return nil
	}
	return fmt.Errorf("retry: the work queue %q goes %s, as while the worker is away for a deploy, and with it what it holds: "+
		"what then comes back from a classic retry queue is dropped, and a quorum one holds it and soon everything behind it; "+
		"leave out %s: the queue has to stay", work.Name, when, change)
}

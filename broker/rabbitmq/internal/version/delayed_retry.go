package version

import (
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
)

// delayedArg is the argument that makes a queue delay a rejected message.
const delayedArg = "x-delayed-retry-type"

// Ignores reports whether the server would silently ignore the delayed retry of q: one before 4.3
// takes the arguments (3.10.8 and 4.0.5) and redelivers a failed message at once, up to its
// delivery limit.
func (s Server) Ignores(q broker.Queue) bool {
	_, delayed := q.AllArguments()[delayedArg]
	return delayed && !s.From(4, 3)
}

// Lacks says what the server would silently ignore of the queues, or surely close the connection over.
func (s Server) Lacks(queues []broker.Queue) error {
	for _, q := range queues {
		if err := s.locator(q); err != nil {
			return err
		}
	}
	i := slices.IndexFunc(queues, s.Ignores)
	if i < 0 {
		return nil
	}
	return fmt.Errorf("queue %q has a delayed retry: %w: %s would deliver what fails again at once; "+
		"RabbitMQ has it from 4.3 on: upgrade, or retry by copies (processors/retry, processors/backoff)",
		queues[i].Name, broker.ErrUnsupported, s)
}

// HoldsFailed reports whether a queue delays rejected messages.
func HoldsFailed(q broker.Queue) bool {
	kind, _ := q.AllArguments().String(delayedArg)
	return kind == "failed" || kind == "all"
}

package version

import (
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
)

const locatorArg = "x-queue-master-locator"

// MayCrashOver reports whether the server closes the connection over q (541) unless its operator has
// permitted what q has: RabbitMQ 4.3.6 does, over x-queue-master-locator. The client cannot ask whether it is
// permitted.
func (s Server) MayCrashOver(q broker.Queue) bool {
	_, set := q.AllArguments()[locatorArg]
	return set && s.From(4, 3)
}

// locator returns the error of a locator over which RabbitMQ 3.10.8 closes the connection; 4.0.5 takes any.
func (s Server) locator(q broker.Queue) error {
	value, set := q.AllArguments()[locatorArg]
	if !set || s.From(4, 0) || slices.Contains([]any{"min-masters", "client-local", "random"}, value) {
		return nil
	}
	return fmt.Errorf("queue %q: %w: %s would close the connection over its %s, which is none of min-masters, client-local and random",
		q.Name, broker.ErrUnsupported, s, locatorArg)
}

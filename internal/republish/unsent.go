package republish

import (
	"fmt"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// unsent is the failure of a message one of whose copies was not sent. It unwraps to the
// handler's error alone: a decision in the publisher's is not about the message.
type unsent struct {
	processor string
	what      string
	to        string
	problem   error // the publisher's
	err       error // why the message had failed
}

// Unsent returns the error of a message that had failed with err and whose copy to a
// destination was not sent because of problem.
func (s *Sender) Unsent(what, to string, problem, err error) error {
	return &unsent{processor: s.Name, what: what, to: to, problem: problem, err: err}
}

// GoesBack is the decision about a message that has no parked copy. It goes back to its queue.
// One whose copy can never be sent, as with a body over the broker's limit, is released: from
// RabbitMQ 4.3 on that does not use up the delivery limit of the queue, at which the message
// would be lost, or dead-lettered without need.
func GoesBack(err error) error {
	if u, ok := err.(*unsent); ok && Unsendable(u.problem) { //nolint:errorlint // not wrapped here
		return processor.Release(err)
	}
	return processor.Requeue(err)
}

// IsUnsent reports whether err itself was made by [Sender.Unsent].
func IsUnsent(err error) bool {
	_, ok := err.(*unsent) //nolint:errorlint // not wrapped here, and As may panic on a handler's error
	return ok
}

func (e *unsent) Error() string {
	return fmt.Sprintf("%s: the %s for %s was not sent: %v; the message had failed with: %v", e.processor, e.what, e.to, e.problem, e.err)
}

func (e *unsent) Unwrap() error { return e.err }

// Is finds the publisher's error as well.
func (e *unsent) Is(target error) bool { return callback.Is(e.problem, target) }

// As finds the publisher's error as well.
func (e *unsent) As(target any) bool { return callback.As(e.problem, target) }

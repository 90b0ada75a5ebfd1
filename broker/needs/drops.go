package needs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrDrops is wrapped by the error of [Drops].
var ErrDrops = errors.New("messages are dropped")

// Drops returns an error that says which messages of work the broker drops, because the queue has no dead-letter
// exchange: those that p gives up, which are nacked without a copy, and those that a TTL or a length of the queue
// removes before p has them, a retry that comes back to a full queue included. work is the queue as it is
// declared, the first of [Of]. A dead-letter exchange, a TTL or a length that a policy of the broker sets cannot
// be seen here, nor can the expiration of a message.
//
// The cases of p are those of [stack.Pipeline.Describe], on each way through the branches of a mux, and for
// messages for which a mux has no handler. What a layer does that predicts nothing is not known, and not
// reported. Nil means that no message is dropped, as far as the layers say.
func Drops(work broker.Queue, p processor.Processor) error {
	args := work.AllArguments()
	if _, dead := args["x-dead-letter-exchange"]; dead {
		return nil
	}
	if err := errors.Join(givesUp(p), removes(args)); err != nil {
		return fmt.Errorf("needs: queue %q has no dead-letter exchange: %w", work.Name, err)
	}
	return nil
}

// givesUp is an error if p gives up messages of which nothing is left.
func givesUp(p processor.Processor) error {
	if !works(p) {
		return nil
	}
	var dropped []string
	for _, way := range paths(nil, p) {
		for _, o := range stack.Describe(way.layers).Outcomes {
			if drops(o) && !slices.Contains(dropped, string(o.Case)) {
				dropped = append(dropped, string(o.Case))
			}
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	return fmt.Errorf("%w when they are given up, since no layer publishes a copy (%s); "+
		"add a place for them to the layer that retries, such as retry.ParkKey or backoff.Park, "+
		"or give the queue a DeadLetter", ErrDrops, strings.Join(dropped, ", "))
}

func works(p processor.Processor) bool { return stack.Check(p) == nil }

// drops reports whether a message is nacked and nothing is left of it.
func drops(o stack.Outcome) bool {
	return o.Settled == stack.SettledByNack && len(o.Published) == 0 && o.Unknown == ""
}

// removes returns an error if a queue with these arguments drops messages before they are processed. The limits of a
// stream are its retention, and lose nothing.
func removes(args processor.Headers) error {
	if kind, _ := args.String("x-queue-type"); kind == "stream" {
		return nil
	}
	limits := []string{"x-message-ttl"}
	if overflow, _ := args.String("x-overflow"); !strings.HasPrefix(overflow, string(broker.RejectPublish)) {
		limits = append(limits, "x-max-length", "x-max-length-bytes") // a queue that refuses new ones keeps the old
	}
	limits = slices.DeleteFunc(limits, func(limit string) bool { _, set := args[limit]; return !set })
	if len(limits) == 0 {
		return nil
	}
	return fmt.Errorf("%w before they are processed, once they expire or the queue is full (%s); "+
		"leave that out, or give the queue a DeadLetter", ErrDrops, strings.Join(limits, ", "))
}

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
var ErrDrops = errors.New("messages that are given up are dropped")

// Drops returns an error that says in which cases p gives up a message of work, and the broker drops it: it is
// nacked, no layer has published a copy, and the queue has no dead-letter exchange. work is the queue as it is
// declared, the first of [Of]. A dead-letter exchange that a policy of the broker sets cannot be seen here.
//
// The cases are those of [stack.Pipeline.Describe], on each way through the branches of a mux, and for messages
// for which a mux has no handler. What a layer does that predicts nothing is not known, and not reported. Nil
// means that no message is dropped, as far as the layers say.
func Drops(work broker.Queue, p processor.Processor) error {
	if _, dead := work.AllArguments()["x-dead-letter-exchange"]; dead || !works(p) {
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
	return fmt.Errorf("needs: queue %q: %w: it has no dead-letter exchange, and no layer publishes a copy (%s); "+
		"add a place for them to the layer that retries, such as retry.ParkKey or backoff.Park, "+
		"or give the queue a DeadLetter",
		work.Name, ErrDrops, strings.Join(dropped, ", "))
}

func works(p processor.Processor) bool { return stack.Check(p) == nil }

// drops reports whether a message is nacked and nothing is left of it.
func drops(o stack.Outcome) bool {
	return o.Settled == stack.SettledByNack && len(o.Published) == 0 && o.Unknown == ""
}

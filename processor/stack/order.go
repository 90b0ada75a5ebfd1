package stack

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// ErrOrder is wrapped by the error of a stack whose layers are in a wrong order.
var ErrOrder = errors.New("layers are in an order that loses or doubles messages")

// orderRule forbids outer anywhere outside inner.
type orderRule struct {
	outer, inner Role
	consequence  string
}

var orderRules = []orderRule{
	{Settles, Settles, "one delivery is settled twice, and the second settlement fails"},
	{Settles, Catches, "the error is turned into success before it is settled, so every failed message is acked and lost"},

	{Retries, Settles, "the message is settled as failed before its copy is published: without requeue it is lost if that fails, with requeue it is delivered and failed again and again"},
	{Retries, Catches, "the error is turned into success before it is retried, so no message is ever retried and each failed one is acked and lost"},

	{Recovers, Settles, "a panic passes the settlement by, so the message stays unsettled until the connection ends"},
	{Recovers, Retries, "a panic passes the retry by, so a message that panics is never retried"},
	{Recovers, GivesUp, "a panic passes it by, so a message that panics comes back for ever"},

	{Judges, Settles, "what becomes of a message is decided after it has been settled, or it is never settled"},
	{Judges, Retries, "what becomes of a message is decided after it has been retried"},

	{GivesUp, Settles, "a message that is given up has been settled as failed by then, and comes back for ever"},
	{GivesUp, Retries, "a retry looks like success, so nothing is ever given up"},
	{GivesUp, Catches, "the error is turned into success first, so nothing is ever given up"},

	{Repeats, Settles, "one delivery is settled by the first try, and the handler goes on working on a message that it no longer owns"},
	{Repeats, Retries, "the first failure is published for a retry and looks like success, so nothing is ever tried again in place"},
	{Repeats, Catches, "the error is turned into success first, so nothing is ever tried again in place"},
	{Repeats, Counts, "each try counts as a message, and the run ends too early"},

	{Transacts, Settles, "the message is acked before the commit, and lost if that fails"},
	{Transacts, Retries, "a retry looks like success, so what the failed handler has written is committed, and the copy writes it again"},
	{Transacts, Catches, "the error is turned into success first, so what the failed handler has written is committed"},
	{Transacts, GivesUp, "a message that is given up is dropped: what has been written about that is rolled back, and the message is acked and lost"},
	{Transacts, Repeats, "each try works in the transaction of the one before, with what that had written"},
	{Transacts, Marks, "the message is marked as processed before the commit, and lost if that fails: the next delivery is skipped"},
	{Transacts, Transacts, "two transactions do not commit as one: if the outer one fails, what the inner one has committed stays, and is written again"},
	{Transacts, Waits, "the transaction is open, with its locks, while the message waits"},
	{Transacts, Breaks, "the transaction is open, with its locks, while the message waits"},

	{Marks, Settles, "a message that is skipped is never settled, and one whose ack fails is never processed again"},
	{Marks, Retries, "a retry looks like success, so the message is marked as processed, and its copy is skipped and lost"},
	{Marks, Catches, "the error is turned into success first, so a failed message is marked as processed"},

	{Limits, Settles, "a message that takes too long looks as if the run had been cut short, so it goes back to its queue again and again and is never retried"},
	{Limits, Retries, "a message that takes too long looks as if the run had been cut short, so it goes back to its queue again and again and is never retried"},
	{Limits, GivesUp, "a message that takes too long looks as if the run had been cut short and is not given up, so it comes back for ever"},
	{Limits, Waits, "the time that a message waits counts, so it may go back to its queue again and again without having been begun"},
	{Limits, Breaks, "the time that a message waits counts, so it may go back to its queue again and again without having been begun"},

	{Decodes, Settles, "a message that does not decode is never settled"},
	{Decodes, Retries, "a message that does not decode is not parked, and copies are published with other content than the message came with"},
	{Decodes, GivesUp, "a message that does not decode is not given up, so it comes back for ever"},

	{Breaks, Marks, "a message that is skipped looks like a success, so the breaker closes without a real probe"},
	{Breaks, Retries, "a retry looks like success, so no failure is ever seen, and every message is retried until it is parked"},
	{Breaks, Catches, "the error is turned into success first, so no failure is ever seen"},
}

// checkOrder returns an error for each layer without a name, and for each pair in a wrong order.
func checkOrder(layers []processor.Processor) error {
	var errs []error
	for _, layer := range layers {
		if l, ok := layer.(Layer); ok && l.Name() == "" {
			errs = append(errs, fmt.Errorf("stack: the layer %T has an empty name: have Name return one", layer))
		}
	}
	for i, outer := range layers {
		for _, inner := range layers[i+1:] {
			errs = append(errs, checkPair(outer, inner))
		}
	}
	return errors.Join(errs...)
}

func checkPair(outer, inner processor.Processor) error {
	for _, r := range orderRules {
		if r.outer != roleOf(outer) || r.inner != roleOf(inner) {
			continue
		}
		mend := fmt.Sprintf("put %s outside %s", layerName(inner), layerName(outer))
		if r.outer == r.inner {
			mend = "remove one of them"
		}
		return fmt.Errorf("stack: %w: %s is outside %s: %s; %s",
			ErrOrder, layerName(outer), layerName(inner), r.consequence, mend)
	}
	return nil
}

package stack

import (
	"errors"
	"fmt"
	"slices"

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

	{Answers, Settles, "the reply is sent after the message is acked, and never if the process ends between"},
	{Answers, Catches, "the error is turned into success first, so the caller of a failed request gets an empty result"},
	{Answers, Answers, "the caller is answered twice"},
	{Retries, Answers, "the caller is told of a failure that is tried again, and answered for each try"},
	{Repeats, Answers, "the caller is told of a failure that is tried again, and answered for each try"},
	{Recovers, Answers, "a panic passes the answer by, so the caller is not answered"},
	{Judges, Answers, "a message about which it decides is not answered"},
	{GivesUp, Answers, "the caller is told of a failure that may be tried again"},
	{Decodes, Answers, "a message that does not decode is not answered"},
	{Limits, Answers, "a handler that takes too long leaves no time for the answer"},
	{Transacts, Answers, "the caller is answered before the commit, which may fail"},

	{Responds, Settles, "the results are sent after the message is acked, and never if the process ends between"},
	{Responds, Retries, "a message whose results cannot be sent is not retried, but dead-lettered or dropped"},
	{Responds, GivesUp, "a message whose results cannot be sent is not given up, so it comes back for ever"},
	{Responds, Marks, "the message is marked as processed before its results are sent: if that fails, the next delivery is skipped, and they are lost"},
	{Responds, Responds, "the outer one gets no results"},
	{Transacts, Responds, "the results are sent before the commit, and stay sent if it fails"},

	{Stores, Transacts, "the results are written outside of the transaction, or of none"},
	{Stores, Stores, "the outer one gets no results"},
}

// checkOrder returns an error for each layer without a name, and for each pair in a wrong order. The
// first layers are checked already.
func checkOrder(layers []processor.Processor, checked int) error {
	var errs []error
	for i, inner := range layers {
		if i < checked {
			continue
		}
		if l, ok := inner.(Layer); ok && l.Name() == "" {
			errs = append(errs, fmt.Errorf("stack: the layer %T has an empty name: have Name return one", inner))
		}
		for _, outer := range layers[:i] {
			errs = append(errs, checkPair(outer, inner))
		}
		errs = append(errs, checkNeeds(layers[:i], inner))
	}
	return errors.Join(errs...)
}

// checkNeeds returns an error if no outer layer has a role that inner needs.
func checkNeeds(outer []processor.Processor, inner processor.Processor) error {
	n, ok := inner.(Needer)
	if !ok {
		return nil
	}
	roles, remedy := n.Needs()
	if slices.ContainsFunc(outer, func(l processor.Processor) bool { return slices.Contains(roles, roleOf(l)) }) {
		return nil
	}
	return fmt.Errorf("stack: %w: %s: %s", ErrOrder, n.Name(), remedy)
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

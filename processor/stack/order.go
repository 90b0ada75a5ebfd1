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
	// harmless, if there is one, reports whether it does no harm: further are the layers inside inner.
	harmless func(inner processor.Processor, further []processor.Processor) bool
}

// rule is a rule without an exception.
func rule(outer, inner Role, consequence string) orderRule {
	return orderRule{outer: outer, inner: inner, consequence: consequence}
}

// unless is the rule with an exception.
func (r orderRule) unless(harmless func(inner processor.Processor, further []processor.Processor) bool) orderRule {
	r.harmless = harmless
	return r
}

// recovers: no panic of what is further in comes out, and so an outer recovery is a safety net, for
// the layers between.
func recovers(_ processor.Processor, further []processor.Processor) bool {
	return slices.ContainsFunc(further, func(p processor.Processor) bool { return roleOf(p) == Recovers })
}

// givesBack: a layer that retries returns the error when its retries are used up, and publishes no
// copy.
func givesBack(inner processor.Processor, _ []processor.Processor) bool {
	p, ok := inner.(Predictor)
	if !ok {
		return false
	}
	o := p.Predict(Outcome{Case: CaseExhausted, Action: processor.Failed})
	return o.Returns() && o.Action == processor.Failed && len(o.Published) == 0
}

var orderRules = []orderRule{
	rule(Settles, Settles, "one delivery is settled twice, and the second settlement fails"),
	rule(Settles, Catches, "the error is turned into success before it is settled, so every failed message is acked and lost"),

	rule(Retries, Settles, "the message is settled as failed before its copy is published: without requeue it is lost if that fails, with requeue it is delivered and failed again and again"),
	rule(Retries, Catches, "the error is turned into success before it is retried, so no message is ever retried and each failed one is acked and lost"),

	rule(Recovers, Settles, "a panic passes the settlement by, so the message stays unsettled until the connection ends").unless(recovers),
	rule(Recovers, Retries, "a panic passes the retry by, so a message that panics is never retried").unless(recovers),
	rule(Recovers, GivesUp, "a panic passes it by, so a message that panics comes back for ever").unless(recovers),

	rule(Judges, Settles, "what becomes of a message is decided after it has been settled, or it is never settled"),
	rule(Judges, Retries, "what becomes of a message is decided after it has been retried"),

	rule(GivesUp, Settles, "a message that is given up has been settled as failed by then, and comes back for ever"),
	rule(GivesUp, Retries, "a retry looks like success, so nothing is ever given up").unless(givesBack),
	rule(GivesUp, Catches, "the error is turned into success first, so nothing is ever given up"),

	rule(Repeats, Settles, "one delivery is settled by the first try, and the handler goes on working on a message that it no longer owns"),
	rule(Repeats, Retries, "the first failure is published for a retry and looks like success, so nothing is ever tried again in place"),
	rule(Repeats, Catches, "the error is turned into success first, so nothing is ever tried again in place"),
	rule(Repeats, Counts, "each try counts as a message, and the run ends too early"),

	rule(Transacts, Settles, "the message is acked before the commit, and lost if that fails"),
	rule(Transacts, Retries, "a retry looks like success, so what the failed handler has written is committed, and the copy writes it again"),
	rule(Transacts, Catches, "the error is turned into success first, so what the failed handler has written is committed"),
	rule(Transacts, GivesUp, "a message that is given up is dropped: what has been written about that is rolled back, and the message is acked and lost"),
	rule(Transacts, Repeats, "each try works in the transaction of the one before, with what that had written"),
	rule(Transacts, Marks, "the message is marked as processed before the commit, and lost if that fails: the next delivery is skipped"),
	rule(Transacts, Transacts, "two transactions do not commit as one: if the outer one fails, what the inner one has committed stays, and is written again"),
	rule(Transacts, Waits, "the transaction is open, with its locks, while the message waits"),
	rule(Transacts, Breaks, "the transaction is open, with its locks, while the message waits"),

	rule(Marks, Settles, "a message that is skipped is never settled, and one whose ack fails is never processed again"),
	rule(Marks, Retries, "a retry looks like success, so the message is marked as processed, and its copy is skipped and lost"),
	rule(Marks, Catches, "the error is turned into success first, so a failed message is marked as processed"),

	rule(Limits, Settles, "a message that takes too long may look as if the run had been cut short, so it goes back to its queue again and again and is never retried"),
	rule(Limits, Retries, "a message that takes too long may look as if the run had been cut short, so it goes back to its queue again and again and is never retried"),
	rule(Limits, GivesUp, "a message that takes too long may look as if the run had been cut short and is not given up, so it comes back for ever"),
	rule(Limits, Waits, "the time that a message waits counts, so it may fail without having been begun"),
	rule(Limits, Breaks, "the time that a message waits counts, so it may fail without having been begun"),

	rule(Decodes, Settles, "a message that does not decode is never settled"),
	rule(Decodes, Retries, "a message that does not decode is not parked, and copies are published with other content than the message came with"),
	rule(Decodes, GivesUp, "a message that does not decode is not given up, so it comes back for ever"),

	rule(Breaks, Marks, "a message that is skipped looks like a success, so the breaker closes without a real probe"),
	rule(Breaks, Retries, "a retry looks like success, so no failure is ever seen, and every message is retried until it is parked"),
	rule(Breaks, Catches, "the error is turned into success first, so no failure is ever seen"),

	rule(Answers, Settles, "the reply is sent after the message is acked, and never if the process ends between"),
	rule(Answers, Catches, "the error is turned into success first, so the caller of a failed request gets an empty result"),
	rule(Answers, Answers, "the caller is answered twice"),
	rule(Retries, Answers, "the caller is told of a failure that is tried again, and answered for each try"),
	rule(Repeats, Answers, "the caller is told of a failure that is tried again, and answered for each try"),
	rule(Recovers, Answers, "a panic passes the answer by, so the caller is not answered").unless(recovers),
	rule(Judges, Answers, "a message about which it decides is not answered"),
	rule(GivesUp, Answers, "the caller is told of a failure that may be tried again"),
	rule(Decodes, Answers, "a message that does not decode is not answered"),
	rule(Limits, Answers, "a handler that takes too long leaves no time for the answer"),
	rule(Transacts, Answers, "the caller is answered before the commit, which may fail"),

	rule(Responds, Settles, "the results are sent after the message is acked, and never if the process ends between"),
	rule(Responds, Retries, "a message whose results cannot be sent is not retried, but dead-lettered or dropped"),
	rule(Responds, GivesUp, "a message whose results cannot be sent is not given up, so it comes back for ever"),
	rule(Responds, Marks, "the message is marked as processed before its results are sent: if that fails, the next delivery is skipped, and they are lost"),
	rule(Responds, Responds, "the outer one gets no results"),
	rule(Transacts, Responds, "the results are sent before the commit, and stay sent if it fails"),

	rule(Stores, Transacts, "the results are written outside of the transaction, or of none"),
	rule(Stores, Stores, "the outer one gets no results"),
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
			errs = append(errs, checkPair(outer, inner, layers[i+1:]))
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

// checkPair returns an error if inner must not be inside outer; further are the layers inside inner.
func checkPair(outer, inner processor.Processor, further []processor.Processor) error {
	for _, r := range orderRules {
		if r.outer != roleOf(outer) || r.inner != roleOf(inner) || r.harmless != nil && r.harmless(inner, further) {
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

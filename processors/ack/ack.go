// Package ack settles messages: every stack needs this layer.
//
// It acks what the inner layers dealt with and nacks what failed, as Swarrot's AckProcessor does,
// and returns their error. Put it outside retry and recovery, so that a message is acked only after
// its copy is published:
//
//	stack.New(ack.New(), retry.New(...), recovery.New()).Then(handler)
//
// [processor.Decide] reads from the error what to do with a failed message:
//
//	done, dropped  ack
//	rejected       nack, dead-lettered
//	failed         nack; dead-lettered, or requeued with [RequeueOnError]
//	requeued       nack, requeued whatever the options
//	released       nothing: the consumer requeues it untouched
//
// A message whose processing was cut short ([processor.CutShort]) has not failed: it is requeued, or
// at shutdown left unsettled for the consumer to requeue untouched.
package ack

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Option changes how messages are settled.
type Option func(*config)

// RequeueOnError requeues messages that failed, so one that always fails is redelivered without
// end. Default: they are nacked without requeue; the queue dead-letters them, or drops them if it
// has no dead-letter exchange.
func RequeueOnError() Option { return func(c *config) { c.requeue = true } }

// After calls f when a message has been acked, and before its worker takes the next one: to wake
// what goes on with work that the handler has stored, or to remove what only an unacked message
// needed. A message whose copy was published for a retry is acked too. f is not called for one that is
// nacked, given back, settled by its handler, or whose channel is lost.
//
// The ack is final here, and not yet at the broker: if the connection ends at that moment, the message
// is redelivered although f was called; and f is never called if the process ends first. So no work may
// depend on f alone. The run waits for f as it does for a handler. f may be called concurrently; if it
// panics, the error says so, and the message stays acked. Default, also for nil: nothing is called.
func After(f func(ctx context.Context, msg processor.Message)) Option {
	return func(c *config) { c.after = f }
}

// New returns a middleware that settles each message once the inner layers return. It is safe for
// concurrent use and allocates nothing.
//
// A message that an inner layer has settled itself is left alone. The error of a failed settlement
// is joined to that of the inner layers, except [processor.ErrStale]: then the broker redelivers
// the message, and the stack can do nothing about it.
//
// The stack refuses a nil option.
func New(opts ...Option) processor.Middleware {
	var c config
	if err := option.Apply("ack", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &ack{config: c, next: next}
	}
}

type config struct {
	requeue bool
	after   func(context.Context, processor.Message)
}

type ack struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*ack)(nil)
	_ stack.Wrapper   = (*ack)(nil)
	_ stack.Describer = (*ack)(nil)
	_ stack.Predictor = (*ack)(nil)
)

// Name is "ack".
func (*ack) Name() string { return "ack" }

// Role is [stack.Settles].
func (*ack) Role() stack.Role { return stack.Settles }

// Unwrap returns the inner layers.
func (a *ack) Unwrap() processor.Processor { return a.next }

// Settings returns those of the options.
func (a *ack) Settings() []stack.Setting {
	settings := []stack.Setting{{Name: "requeue on error", Value: strconv.FormatBool(a.requeue)}}
	if a.after != nil {
		settings = append(settings, stack.Setting{Name: "after", Value: "a function"})
	}
	return settings
}

// Predict settles by the decision, as Process does.
func (a *ack) Predict(o stack.Outcome) stack.Outcome {
	if !o.Returns() {
		return o
	}
	switch {
	case o.Action == processor.Done || o.Action == processor.Dropped:
		o.Settled = stack.SettledByAck
	case o.Action == processor.Rejected:
		o.Settled = stack.SettledByNack
	case o.Action == processor.Released || o.Case == stack.CaseShutdown:
	case o.Action == processor.Requeued || a.requeue:
		o.Settled = stack.SettledByRequeue
	default:
		o.Settled = stack.SettledByNack
	}
	return o
}

// Process runs the inner layers and settles msg by what they return.
func (a *ack) Process(ctx context.Context, msg processor.Message) error {
	err := a.next.Process(ctx, msg)
	// Settling is outside any retry: a failed ack must not end in a nack of the same tag.
	if failure := a.settle(ctx, msg, err); failure != nil {
		return errors.Join(err, failure)
	}
	return err
}

// acked acks msg, and calls the function given to [After].
func (a *ack) acked(ctx context.Context, msg processor.Message) error {
	if err := msg.Ack(); err != nil || a.after == nil {
		return failure("ack", err)
	}
	if problem := callback.Call("ack: the function given to After", func() { a.after(ctx, msg) }); problem != nil {
		return processor.Drop(problem) // the message is acked
	}
	return nil
}

func (a *ack) settle(ctx context.Context, msg processor.Message, err error) error {
	if msg.Settled() {
		return nil
	}
	switch action := processor.Decide(err).Action; {
	case action == processor.Done || action == processor.Dropped:
		return a.acked(ctx, msg)
	case action == processor.Rejected:
		return failure("nack", msg.Nack(false))
	case action == processor.Released || processor.ShuttingDown(ctx):
		return nil
	case action == processor.Requeued || processor.CutShort(ctx):
		return failure("nack", msg.Nack(true))
	default:
		return failure("nack", msg.Nack(a.requeue))
	}
}

func failure(what string, err error) error {
	if err == nil || errors.Is(err, processor.ErrStale) {
		return nil
	}
	return fmt.Errorf("ack: send %s: %w", what, err)
}

package breaker

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrOpen is the error of a message that was released because the breaker is open. Its action is
// [processor.Released].
var ErrOpen = errors.New("the breaker is open")

// New returns a middleware that lets no message through while downstream keeps failing, and pauses
// the consumer meanwhile. downstream is its name, for logs and errors. Stacks built with the same
// middleware share one breaker.
//
// It is safe for concurrent use and allocates nothing on success. The stack refuses an empty name,
// a nil option, Failures below 1, OpenFor below a millisecond, and a second layer of this breaker
// where it sees one.
func New(downstream string, opts ...Option) processor.Middleware {
	c := config{downstream: downstream, failures: DefaultFailures, openFor: DefaultOpenFor}
	if err := option.Apply("breaker", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	shared := newCircuit(c)
	return func(next processor.Processor) processor.Processor {
		return &breaker{circuit: shared, next: next}
	}
}

// breaker is the layer of one stack.
type breaker struct {
	*circuit
	next processor.Processor
	hold *hold // the current run; guarded by mu
}

var (
	_ stack.Layer       = (*breaker)(nil)
	_ stack.Wrapper     = (*breaker)(nil)
	_ stack.Predictor   = (*breaker)(nil)
	_ stack.Describer   = (*breaker)(nil)
	_ processor.Checker = (*breaker)(nil)
	_ stack.Starter     = (*breaker)(nil)
	_ stack.Stopper     = (*breaker)(nil)
)

// Name is "breaker".
func (*breaker) Name() string { return "breaker" }

// Role is [stack.Breaks].
func (*breaker) Role() stack.Role { return stack.Breaks }

// Unwrap returns the inner layers.
func (b *breaker) Unwrap() processor.Processor { return b.next }

// Predict returns o unchanged.
func (*breaker) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (b *breaker) Settings() []stack.Setting {
	counts := "failed"
	if b.counts != nil {
		counts = "by a function"
	}
	return []stack.Setting{
		{Name: "downstream", Value: b.downstream},
		{Name: "failures", Value: strconv.Itoa(b.failures)},
		{Name: "open for", Value: b.openFor.String()},
		{Name: "counts", Value: counts},
	}
}

// Check refuses a second layer of this breaker among the inner ones, and in the branches of a mux, if visible.
func (b *breaker) Check() error {
	for p := range stack.Within(b.next) {
		if inner, ok := p.(*breaker); ok && inner.circuit == b.circuit {
			return fmt.Errorf("breaker: the breaker of %q is twice in one stack, where each message would count twice: leave one of them out, or make it with another breaker.New", b.downstream)
		}
	}
	return nil
}

// Process runs the inner layers if the breaker lets msg through.
func (b *breaker) Process(ctx context.Context, msg processor.Message) error {
	for {
		switch p := b.phase.Load(); p.state {
		case Closed:
			return b.pass(ctx, msg, p)
		case Open:
			if b.ask(p) {
				continue
			}
			return b.refusal
		default:
			if ctx.Value(probing{b.circuit}) != nil {
				return b.next.Process(ctx, msg) // it would wait for itself as the probe
			}
			switch err := p.enter(ctx); {
			case err != nil:
				return unbegun.Result(ctx, fmt.Errorf("breaker: cut short while %s was probed: %w", b.downstream, err))
			case b.phase.Load() == p:
				return b.probe(ctx, msg, p)
			}
			p.leave()
		}
	}
}

// probing is the context key of a circuit's probe, for an inner layer with the same circuit that
// Check did not see.
type probing struct{ *circuit }

// probe is pass for the one message of p. The next enters when its verdict has counted.
func (b *breaker) probe(ctx context.Context, msg processor.Message, p *phase) error {
	defer p.leave()
	return b.pass(context.WithValue(ctx, probing{b.circuit}, p), msg, p)
}

// pass runs the inner layers and counts the outcome of msg in p.
func (b *breaker) pass(ctx context.Context, msg processor.Message, p *phase) (err error) {
	v := errFailed // of a panic, and of a Goexit
	defer func() { b.count(p, v) }()
	err = b.next.Process(ctx, msg)
	v, err = b.judge(ctx, err)
	return err
}

// The verdicts on a message, beside nil for success. gobreaker gets them instead of the handler's
// error, whose methods may panic.
var (
	errFailed  = errors.New("failed")
	errNeutral = errors.New("says nothing")
)

// judge returns the verdict, and err, joined by a panic of [Counts].
func (b *breaker) judge(ctx context.Context, err error) (verdict, result error) {
	if err == nil {
		return nil, nil
	}
	switch action := processor.Decide(err).Action; {
	case action == processor.Done:
		return nil, err
	case action == processor.Released || processor.CutShort(ctx):
		return errNeutral, err
	}
	counts, problem := b.asked(err)
	if problem != nil {
		err = errors.Join(err, problem)
	}
	if counts {
		return errFailed, err
	}
	return errNeutral, err
}

// asked calls [Counts]. A message counts if that panics.
func (b *breaker) asked(err error) (counts bool, problem error) {
	if b.counts == nil {
		return failed(err), nil
	}
	counts = true
	problem = callback.Call("breaker: the function given to Counts", func() { counts = b.counts(err) })
	return counts, problem
}

package processortest

import (
	"context"
	"fmt"
	"testing"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// keepsItsWord compares the outcome of a message with the description of the stack.
func keepsItsWord(t *testing.T, c Contract) string {
	for _, want := range c.build(t, func(context.Context, processor.Message) error { return nil }).Describe().Outcomes {
		if want.Unknown != "" {
			return fmt.Sprintf("its role, with which it cannot just pass on what it gets, and no Predict: implement stack.Predictor, or have no role (%q)", want)
		}
		got, acted := c.act(t, want.Case)
		if acted && got != facts(want) {
			return fmt.Sprintf("case %q: it predicts %+v, and it is %+v", want.Case, facts(want), got)
		}
	}
	return ""
}

// fact is the part of an outcome that can be seen without a broker.
type fact struct {
	Panics  bool
	Action  processor.Action // Done if it panics
	Settled stack.Settlement
}

func facts(o stack.Outcome) fact {
	f := fact{Panics: o.Panics, Settled: o.Settled}
	if !o.Panics {
		f.Action = o.Action
	}
	return f
}

// act plays the case, if it can be played without a broker and a clock.
func (c Contract) act(t *testing.T, k stack.Case) (got fact, acted bool) {
	t.Helper()
	if c.RepublishFails && (k == stack.CaseError || k == stack.CasePermanentError || k == stack.CasePanic) {
		return got, false // it is another case then
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var handler processor.ProcessorFunc
	switch k {
	case stack.CaseSuccess:
		handler = func(context.Context, processor.Message) error { return nil }
	case stack.CaseRepublishFailed:
		if !c.RepublishFails {
			return got, false
		}
		handler = func(context.Context, processor.Message) error { return errHandler }
	case stack.CaseError:
		handler = func(context.Context, processor.Message) error { return errHandler }
	case stack.CasePermanentError:
		handler = func(context.Context, processor.Message) error { return processor.Reject(errHandler) }
	case stack.CasePanic:
		handler = func(context.Context, processor.Message) error { panic(errPanic) }
	case stack.CaseShutdown:
		handler = func(ctx context.Context, _ processor.Message) error {
			cancel(processor.ErrShutdown)
			<-ctx.Done()
			return ctx.Err()
		}
	default:
		return got, false
	}
	msg := NewMessage()
	err, panics := c.process(ctx, t, handler, msg)
	if got.Panics = panics; !panics {
		got.Action = processor.Decide(err).Action
	}
	got.Settled = settled(msg)
	return got, true
}

func (c Contract) process(ctx context.Context, t *testing.T, handler processor.ProcessorFunc, msg *Message) (err error, panics bool) { //nolint:revive // the panic is about no error
	p := c.build(t, handler)
	defer func() { panics = recover() != nil }()
	return p.Process(ctx, msg), false
}

func settled(msg *Message) stack.Settlement {
	for _, s := range msg.Settlements() {
		switch s {
		case Acked:
			return stack.SettledByAck
		case Rejected:
			return stack.SettledByNack
		case Requeued:
			return stack.SettledByRequeue
		case Released:
		}
	}
	return stack.Unsettled
}

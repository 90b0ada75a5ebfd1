package processortest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

var (
	errHandler = errors.New("processortest: the handler failed")
	errPanic   = errors.New("processortest: the handler panicked")
)

type contextKey struct{}

func (c Contract) build(t *testing.T, handler processor.ProcessorFunc) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(c.New(t)).Then(handler)
	if err != nil {
		t.Fatalf("the stack cannot be built: %v", err)
	}
	return p
}

func passesSuccess(t *testing.T, c Contract) string {
	var calls int
	var got processor.Message
	var value any
	p := c.build(t, func(ctx context.Context, msg processor.Message) error {
		calls++
		got, value = msg, ctx.Value(contextKey{})
		return nil
	})
	msg := NewMessage(Body("hello"), withHeaders(testHeaders()))
	err := p.Process(context.WithValue(t.Context(), contextKey{}, "kept"), msg)
	switch {
	case err != nil:
		return fmt.Sprintf("the handler returned nil, the stack %v", err)
	case calls != 1:
		return fmt.Sprintf("the handler was called %d times for one message", calls)
	case string(got.Body()) != "hello" || got.Properties().ID != msg.Properties().ID:
		return "the handler got another message"
	case !reflect.DeepEqual(msg.Headers(), testHeaders()):
		return fmt.Sprintf("it wrote into the message's headers: %v", msg.Headers())
	case value != "kept":
		return "the handler's context lacks a value of the caller's"
	case c.Settles && (len(msg.Settlements()) != 1 || msg.Settlements()[0] != Acked):
		return fmt.Sprintf("a message that succeeded is to be acked once, not %q", msg.Settlements())
	case !c.Settles && msg.Settled():
		return fmt.Sprintf("the layer does not settle by its contract, yet did: %q", msg.Settlements())
	}
	return ""
}

// testHeaders are made anew at each call, for comparison with those of a message.
func testHeaders() processor.Headers {
	return processor.Headers{"test-flat": "value", "test-nested": processor.Headers{"key": "value"}}
}

func withHeaders(h processor.Headers) Option { return func(m *Message) { m.envelope.Headers = h } }

func allocatesNothing(t *testing.T, c Contract) string {
	if c.Allocates {
		return ""
	}
	p := c.build(t, func(context.Context, processor.Message) error { return nil })
	msg, ctx := NewMessage(), t.Context()
	allocs := testing.AllocsPerRun(200, func() {
		msg.Reset()
		if err := p.Process(ctx, msg); err != nil {
			t.Errorf("process: %v", err)
		}
	})
	if allocs != 0 {
		return fmt.Sprintf("%v allocations per message", allocs)
	}
	return ""
}

// handlerErrors have one error for each decision, all wrapping errHandler.
var handlerErrors = map[string]error{
	"plain":       errHandler,
	"wrapped":     fmt.Errorf("handler: %w", errHandler),
	"reject":      processor.Reject(errHandler),
	"requeue":     processor.Requeue(errHandler),
	"drop":        processor.Drop(errHandler),
	"retry after": processor.RetryAfter(errHandler, time.Second),
	"stop":        processor.Stop(errHandler),
}

func keepsErrors(t *testing.T, c Contract) string {
	for name, cause := range handlerErrors {
		calls := 0
		p := c.build(t, func(context.Context, processor.Message) error { calls++; return cause })
		msg := NewMessage(withHeaders(testHeaders()))
		err := p.Process(t.Context(), msg)
		if problem := c.replaced(cause, err); problem != "" {
			return name + ": " + problem
		}
		if !c.allows(calls, 1) {
			return fmt.Sprintf("%s: the handler was called %d times for one message", name, calls)
		}
		if !reflect.DeepEqual(msg.Headers(), testHeaders()) {
			return fmt.Sprintf("%s: it wrote into the message's headers: %v", name, msg.Headers())
		}
	}
	return ""
}

// replaced says what is wrong with err, which a layer returned for the handler's cause.
func (c Contract) replaced(cause, err error) (problem string) {
	switch {
	case processor.Decide(cause).Stop && !processor.Decide(err).Stop:
		return fmt.Sprintf("the wish to stop is gone: %v", err)
	case errors.Is(err, errHandler):
	case !c.Absorbs:
		return fmt.Sprintf("the handler's error is not in the chain of %v", err)
	case err != nil && !errors.Is(err, processor.ErrStop):
		return fmt.Sprintf("an error that replaces the handler's: %v", err)
	}
	return ""
}

// allows reports whether a failing handler may be called that often.
func (c Contract) allows(calls, messages int) bool {
	return calls == messages || c.Repeats && calls > messages
}

func settlesOnce(t *testing.T, c Contract) string {
	want := 0
	if c.Settles {
		want = 1
	}
	errs := map[string]error{"success": nil, "stop after success": processor.ErrStop}
	maps.Copy(errs, handlerErrors)
	for name, cause := range errs {
		for _, failure := range []error{nil, errors.New("the settlement failed")} {
			p := c.build(t, func(context.Context, processor.Message) error { return cause })
			msg := NewMessage(FailSettling(failure))
			_ = p.Process(t.Context(), msg)
			if got := msg.Settlements(); len(got) != want {
				return fmt.Sprintf("%s (settling fails: %t): settled as %q, want %d settlement(s)", name, failure != nil, got, want)
			}
		}
	}
	return ""
}

func isConcurrent(t *testing.T, c Contract) string {
	const workers, each = 16, 20 // few, for layers that wait after a failure
	var calls atomic.Int64
	p := c.build(t, func(_ context.Context, msg processor.Message) error {
		calls.Add(1)
		if string(msg.Body()) == "fail" {
			return errHandler
		}
		return nil
	})
	var wg sync.WaitGroup
	var mixed atomic.Int64
	for range workers {
		wg.Go(func() {
			for i := range each {
				body := "succeed"
				if i%2 == 1 {
					body = "fail"
				}
				err := p.Process(t.Context(), NewMessage(Body(body)))
				if (err != nil) != (body == "fail") && !c.Absorbs {
					mixed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if !c.allows(int(calls.Load()), workers*each) {
		return fmt.Sprintf("%d messages, %d calls of the handler", workers*each, calls.Load())
	}
	if mixed.Load() > 0 {
		return fmt.Sprintf("%d messages got the outcome of another", mixed.Load())
	}
	return ""
}

// patience is how long a layer may go on after its context has ended. It is real time:
// a layer in a synctest bubble needs none of it.
const patience = 5 * time.Second

func honoursContext(t *testing.T, c Contract) string {
	ctx, cancel := context.WithCancelCause(t.Context())
	p := c.build(t, func(ctx context.Context, _ processor.Message) error {
		cancel(processor.ErrShutdown)
		<-ctx.Done()
		return fmt.Errorf("cut short: %w", ctx.Err())
	})
	msg := NewMessage()
	result := make(chan error, 1)
	go func() { result <- p.Process(ctx, msg) }()
	select {
	case err := <-result:
		if !errors.Is(err, context.Canceled) {
			return fmt.Sprintf("the message was cut short, and the layer returned %v", err)
		}
	case <-time.After(patience):
		return fmt.Sprintf("it has not returned %v after the context ended", patience)
	}
	for _, s := range msg.Settlements() {
		if s == Acked || s == Rejected {
			return fmt.Sprintf("a message that was cut short by the shutdown got %q", s)
		}
	}
	return ""
}

func treatsPanic(t *testing.T, c Contract) string {
	p := c.build(t, func(context.Context, processor.Message) error { panic(errPanic) })
	msg := NewMessage()
	var err error
	value := func() (value any) {
		defer func() { value = recover() }()
		err = p.Process(t.Context(), msg)
		return nil
	}()
	switch {
	case c.Recovers && value != nil:
		return fmt.Sprintf("it let the panic through: %v", value)
	case c.Recovers && err == nil && c.Absorbs && !c.RepublishFails: // handled like an error of the handler's
	case c.Recovers && !errors.Is(err, errPanic):
		return fmt.Sprintf("the panic's value is not in the chain of %v", err)
	case !c.Recovers && value == nil:
		return fmt.Sprintf("it swallowed the panic and returned %v", err)
	case !c.Recovers && value != errPanic: //nolint:errorlint // the very value is meant
		return fmt.Sprintf("it replaced the panic's value by %v", value)
	}
	if slices.Contains(msg.Settlements(), Acked) && (c.RepublishFails || !copies(p.Describe(), stack.CasePanic)) {
		return "a message whose handler panicked was acked, and no copy of it was published"
	}
	return ""
}

// copies reports whether a stack says that it publishes a copy of the message in that case.
func copies(d stack.Description, k stack.Case) bool {
	return slices.ContainsFunc(d.Outcomes, func(o stack.Outcome) bool { return o.Case == k && len(o.Published) > 0 })
}

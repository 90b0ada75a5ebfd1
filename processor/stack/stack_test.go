package stack_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// tag returns a middleware that writes its tag to out when a message goes in.
func tag(out *bytes.Buffer, name string) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			out.WriteString(name)
			return next.Process(ctx, msg)
		})
	}
}

// app returns a handler that writes its own tag.
func app(out *bytes.Buffer) processor.Processor {
	return processor.ProcessorFunc(func(context.Context, processor.Message) error {
		out.WriteString("app")
		return nil
	})
}

// message returns a message that must not be settled.
func message() processor.Message {
	return broker.NewDelivery(processor.Envelope{}, processor.Origin{}, nil, 1)
}

// trace builds s and returns what one message writes on its way to the handler.
func trace(t *testing.T, s stack.Stack, out *bytes.Buffer) string {
	t.Helper()
	out.Reset()
	pipeline, err := s.Then(app(out))
	require.NoError(t, err)
	require.NoError(t, pipeline.Process(t.Context(), message()))
	return out.String()
}

func identity(next processor.Processor) processor.Processor { return next }

func TestStackRunsOutermostFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		build func(out *bytes.Buffer) stack.Stack
		want  string
	}{
		"the zero stack": {func(*bytes.Buffer) stack.Stack { return stack.Stack{} }, "app"},
		"an empty stack": {func(*bytes.Buffer) stack.Stack { return stack.New() }, "app"},
		"m1(m2(m3(app)))": {func(out *bytes.Buffer) stack.Stack {
			return stack.New(tag(out, "1"), tag(out, "2"), tag(out, "3"))
		}, "123app"},
		"With goes inside": {func(out *bytes.Buffer) stack.Stack {
			return stack.New(tag(out, "1")).With(tag(out, "2"), tag(out, "3"))
		}, "123app"},
		"With on the zero":      {func(out *bytes.Buffer) stack.Stack { return stack.Stack{}.With(tag(out, "1")) }, "1app"},
		"With nothing":          {func(out *bytes.Buffer) stack.Stack { return stack.New(tag(out, "1")).With() }, "1app"},
		"one middleware, twice": {func(out *bytes.Buffer) stack.Stack { m := tag(out, "1"); return stack.New(m, m) }, "11app"},
		"a middleware that is no layer": {
			func(out *bytes.Buffer) stack.Stack {
				return stack.New(identity, tag(out, "1"), identity, tag(out, "2"), identity)
			}, "12app",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.Equal(t, test.want, trace(t, test.build(&out), &out))
		})
	}
}

func TestStackIsImmutable(t *testing.T) {
	t.Parallel()

	t.Run("two stacks grow from one", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		base := stack.New(tag(&out, "1"), tag(&out, "2"), tag(&out, "3")).With(tag(&out, "4"))
		left, right := base.With(tag(&out, "L")), base.With(tag(&out, "R"))
		require.Equal(t, "1234Lapp", trace(t, left, &out))
		require.Equal(t, "1234Rapp", trace(t, right, &out))
		require.Equal(t, "1234app", trace(t, base, &out))
	})

	t.Run("NewStack keeps no slice of the caller's", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		list := append(make([]processor.Middleware, 0, 8), tag(&out, "1"), tag(&out, "2"))
		s := stack.New(list...)
		list[0] = tag(&out, "X")
		_ = append(list, tag(&out, "Y"))
		require.Equal(t, "12app", trace(t, s, &out))
	})

	t.Run("With keeps no slice of the caller's", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		list := []processor.Middleware{tag(&out, "2"), tag(&out, "3")}
		s := stack.New(tag(&out, "1")).With(list...)
		empty := stack.Stack{}.With(list...)
		list[0] = tag(&out, "X")
		require.Equal(t, "123app", trace(t, s, &out))
		require.Equal(t, "23app", trace(t, empty, &out))
	})

	t.Run("a pipeline outlives the growth of its stack", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		s := stack.New(tag(&out, "1"))
		pipeline, err := s.Then(app(&out))
		require.NoError(t, err)
		_ = s.With(tag(&out, "2"))
		require.NoError(t, pipeline.Process(t.Context(), message()))
		require.Equal(t, "1app", out.String())
	})
}

func TestMiddlewaresAreCalledOncePerThen(t *testing.T) {
	t.Parallel()
	calls := 0
	count := func(next processor.Processor) processor.Processor { calls++; return next }
	pipeline, err := stack.New(count).Then(app(new(bytes.Buffer)))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, pipeline.Process(t.Context(), message()))
	}
	require.Equal(t, 1, calls)
}

func TestThenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	errOption, errOther := errors.New("attempts is negative"), errors.New("pattern is empty")
	handler := app(new(bytes.Buffer))
	returnsNil := func(processor.Processor) processor.Processor { return nil }
	ack, retry := layer("ack", settles), layer("retry", retries)

	for name, test := range map[string]struct {
		stack   stack.Stack
		handler processor.Processor
		is      []error
		says    []string
	}{
		"a nil handler":                    {stack.New(identity), nil, nil, []string{"handler is nil"}},
		"a nil middleware":                 {stack.New(identity, nil, identity), handler, nil, []string{"middleware 2 ", "is nil"}},
		"a middleware that returns nil":    {stack.New(identity, identity, returnsNil), handler, nil, []string{"middleware 3 ", "returned nil"}},
		"wrong options":                    {stack.New(stack.Invalid(errOption)), handler, []error{errOption}, nil},
		"wrong options outside a layer":    {stack.New(stack.Invalid(errOption), ack), handler, []error{errOption}, nil},
		"wrong options inside a layer":     {stack.New(ack, stack.Invalid(errOption)), handler, []error{errOption}, nil},
		"wrong options twice":              {stack.New(stack.Invalid(errOption), stack.Invalid(errOther)), handler, []error{errOption, errOther}, nil},
		"wrong options and a wrong order":  {stack.New(retry, ack, stack.Invalid(errOption)), handler, []error{errOption, stack.ErrOrder}, nil},
		"a handler that checks itself":     {stack.Stack{}, checked{errOption}, []error{errOption}, nil},
		"a handler that is a wrong layer":  {stack.New(retry), &stackLayer{name: "ack", role: settles}, []error{stack.ErrOrder}, []string{"ack", "retry"}},
		"two wrong orders, both are named": {stack.New(layer("recovery", recovers), retry, ack), handler, []error{stack.ErrOrder}, []string{"recovery is outside retry", "recovery is outside ack", "retry is outside ack"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipeline, err := test.stack.Then(test.handler)
			require.Error(t, err)
			require.Nil(t, pipeline)
			for _, target := range test.is {
				require.ErrorIs(t, err, target)
			}
			for _, text := range test.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

// checked is a processor that finds fault with itself.
type checked struct{ err error }

func (c checked) Check() error                                     { return c.err }
func (c checked) Process(context.Context, processor.Message) error { return nil }

func TestThenAcceptsALayerThatChecksOut(t *testing.T) {
	t.Parallel()
	pipeline, err := stack.New(identity).Then(checked{})
	require.NoError(t, err)
	require.NoError(t, pipeline.Process(t.Context(), message()))
}

func TestThenFunc(t *testing.T) {
	t.Parallel()

	t.Run("a function is the handler", func(t *testing.T) {
		t.Parallel()
		want := errors.New("from the handler")
		pipeline, err := stack.New(identity).ThenFunc(func(context.Context, processor.Message) error { return want })
		require.NoError(t, err)
		require.Same(t, want, pipeline.Process(t.Context(), message()))
	})

	t.Run("nil is refused", func(t *testing.T) {
		t.Parallel()
		pipeline, err := stack.New(identity).ThenFunc(nil)
		require.ErrorContains(t, err, "handler is nil")
		require.Nil(t, pipeline)
	})
}

func TestInvalidBuiltByHandRequeuesEveryMessage(t *testing.T) {
	t.Parallel()
	errOption := errors.New("attempts is negative")
	reached := false
	p := stack.Invalid(errOption)(processor.ProcessorFunc(func(context.Context, processor.Message) error {
		reached = true
		return nil
	}))
	err := p.Process(t.Context(), message())
	require.ErrorIs(t, err, errOption)
	require.Equal(t, processor.Requeued, processor.Decide(err).Action)
	require.False(t, reached)
}

func TestPipelinePassesContextMessageAndErrorThrough(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, msg, want := context.WithValue(t.Context(), key{}, 1), message(), errors.New("failed")
	pipeline, err := stack.New(pass, pass).ThenFunc(func(got context.Context, m processor.Message) error {
		require.Equal(t, 1, got.Value(key{}))
		require.Same(t, msg, m)
		return want
	})
	require.NoError(t, err)
	require.Same(t, want, pipeline.Process(ctx, msg))
}

func TestPipelineAsAHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	inner, err := stack.New(tag(&out, "3"), tag(&out, "4")).Then(app(&out))
	require.NoError(t, err)
	outer, err := stack.New(tag(&out, "1"), tag(&out, "2")).Then(inner)
	require.NoError(t, err)
	require.NoError(t, outer.Process(t.Context(), message()))
	require.Equal(t, "1234app", out.String())
}

// pass is the smallest layer there is.
func pass(next processor.Processor) processor.Processor { return &passing{next} }

type passing struct{ next processor.Processor }

func (p *passing) Process(ctx context.Context, msg processor.Message) error {
	return p.next.Process(ctx, msg)
}

//nolint:paralleltest // AllocsPerRun counts what other tests allocate too.
func TestPipelineAllocatesNothing(t *testing.T) {
	pipeline, err := stack.New(pass, pass, pass, pass, pass, pass, pass).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	ctx, msg := t.Context(), message()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := pipeline.Process(ctx, msg); err != nil {
			panic(err)
		}
	}))
}

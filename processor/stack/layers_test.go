package stack_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// sub is a middleware that is a stack of its own.
func sub(t *testing.T, layers ...processor.Middleware) processor.Middleware {
	t.Helper()
	return func(next processor.Processor) processor.Processor {
		p, err := stack.New(layers...).Then(next)
		require.NoError(t, err)
		return p
	}
}

func names(p *stack.Pipeline) []string {
	var all []string
	for _, l := range p.Describe().Layers {
		all = append(all, l.Name)
	}
	return all
}

// counted counts what is called on a layer.
type counted struct {
	processor.Processor
	started, stopped atomic.Int64
}

func (c *counted) Start(context.Context) error { c.started.Add(1); return nil }
func (c *counted) Stop(context.Context) error  { c.stopped.Add(1); return nil }

func (c *counted) middleware(next processor.Processor) processor.Processor {
	c.Processor = next
	return c
}

// The layers inside a layer that is a pipeline were listed and started twice, and waited for
// themselves.
func TestAPipelineAmongTheLayersIsSeenOnce(t *testing.T) {
	t.Parallel()
	c := &counted{}
	p, err := stack.New(ack.New(), sub(t, recovery.New()), c.middleware, recovery.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	require.Equal(t, []string{"ack", "recovery", "*stack_test.counted", "recovery", "stack_test.sendMail"}, names(p))
	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, p.Stop(t.Context()))
	require.Equal(t, int64(1), c.started.Load())
	require.Equal(t, int64(1), c.stopped.Load())
}

// Layers that were put around one another by hand hid from the order.
func TestLayersComposedByHandAreSeen(t *testing.T) {
	t.Parallel()
	byHand := func(layers ...processor.Middleware) processor.Middleware {
		return func(next processor.Processor) processor.Processor {
			for i := range layers {
				next = layers[len(layers)-1-i](next)
			}
			return next
		}
	}
	_, err := stack.New(byHand(ack.New(), catch.New())).ThenFunc(sendMail)
	require.ErrorIs(t, err, stack.ErrOrder)
	_, err = stack.New(byHand(ack.New(), retry.New(nil, "r_%attempt%"))).ThenFunc(sendMail)
	require.ErrorContains(t, err, "publisher is nil")
	_, err = stack.New().Then(byHand(ack.New(), catch.New())(processor.ProcessorFunc(sendMail)))
	require.ErrorIs(t, err, stack.ErrOrder)

	pub := &processortest.Publisher{}
	p, err := stack.New(catch.New(), byHand(ack.New(), retry.New(pub, "r_%attempt%")), recovery.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	require.Equal(t, []string{"catch", "ack", "retry", "recovery", "stack_test.sendMail"}, names(p))
}

// service embeds a pipeline.
type service struct {
	*stack.Pipeline
	starts int
}

func (s *service) Start(ctx context.Context) error {
	s.starts++
	return s.Pipeline.Start(ctx)
}

func TestAPipelineThatIsEmbeddedIsSeen(t *testing.T) {
	t.Parallel()
	c := &counted{}
	inner, err := stack.New(catch.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	_, err = stack.New(ack.New()).Then(&service{Pipeline: inner})
	require.ErrorIs(t, err, stack.ErrOrder)

	inner, err = stack.New(c.middleware).ThenFunc(sendMail)
	require.NoError(t, err)
	s := &service{Pipeline: inner}
	p, err := stack.New(ack.New()).Then(s)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	require.Equal(t, 1, s.starts, "it is one layer, with a Start of its own")
	require.Equal(t, int64(1), c.started.Load())
	require.NoError(t, p.Stop(t.Context()))
}

// Two consumers that shared a pipeline overwrote each other's run.
func TestAPipelineBelongsToOneRunAtATime(t *testing.T) {
	t.Parallel()
	inner, err := stack.New(recovery.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	one, err := stack.New(ack.New()).Then(inner)
	require.NoError(t, err)
	two, err := stack.New(ack.New()).Then(inner)
	require.NoError(t, err)
	require.NoError(t, one.Start(t.Context()))
	require.ErrorContains(t, one.Start(t.Context()), "running already")
	require.ErrorContains(t, two.Start(t.Context()), "running already", "the one inside is")
	require.NoError(t, one.Stop(t.Context()))
	require.NoError(t, two.Start(t.Context()))
	require.NoError(t, two.Stop(t.Context()))
}

func TestAStartThatFailedCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	fail := errors.New("not yet")
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		return &reluctant{Processor: next, err: &fail}
	}).ThenFunc(sendMail)
	require.NoError(t, err)
	require.ErrorContains(t, p.Start(t.Context()), "not yet")
	fail = nil
	require.NoError(t, p.Start(t.Context()))
}

type reluctant struct {
	processor.Processor
	err *error
}

func (r *reluctant) Start(context.Context) error { return *r.err }

func TestAPipelineThatCouldNotBeBuiltIsNoHandler(t *testing.T) {
	t.Parallel()
	_, err := stack.New(ack.New()).Then((*stack.Pipeline)(nil))
	require.ErrorContains(t, err, "the handler is nil")
}

func TestAFunctionThatAMiddlewareReturnsAsItIsIsNoLayer(t *testing.T) {
	t.Parallel()
	p, err := stack.New(identity, ack.New(), identity).ThenFunc(sendMail)
	require.NoError(t, err)
	require.Equal(t, []string{"ack", "stack_test.sendMail"}, names(p))
}

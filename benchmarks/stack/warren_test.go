package stack_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/logging"
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

var body = make([]byte, 256)

// delivery is a message as a source makes it. Inlined, parts of it would stay on the
// stack in some benchmarks and not in others.
//
//go:noinline
func delivery(t *tally) *broker.Delivery {
	return broker.NewDelivery(processor.Envelope{
		Body:       body,
		Headers:    processor.Headers{"tenant": "acme"},
		Properties: processor.Properties{ID: "4711"},
	}, processor.Origin{Queue: "work", RoutingKey: "work"}, t, 1)
}

func warrenMessage(_ testing.TB, t *tally, _ error) func() error {
	return func() error { return delivery(t).Ack() }
}

// warrenStack is what a worker runs.
func warrenStack(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	layers := stack.New(ack.New(), retry.New(t, "work_retry_%attempt%"), recovery.New())
	pipeline := build(tb, layers, handler)
	ctx := tb.Context()
	return func() error { return pipeline.Process(ctx, delivery(t)) }
}

// warrenShipped has seven of the shipped processors.
func warrenShipped(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	layers := stack.New(
		ack.New(),
		retry.New(t, "work_retry_%attempt%"),
		maxmessages.New(maxmessages.Max(math.MaxInt)),
		decode.New(),
		logging.New(),
		instantretry.New(),
		recovery.New(),
	)
	pipeline := build(tb, layers, handler)
	ctx := tb.Context()
	return func() error { return pipeline.Process(ctx, delivery(t)) }
}

// warrenLayers processes one message again and again: only the layers are left.
func warrenLayers(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	var s stack.Stack
	for range layers {
		s = s.With(func(next processor.Processor) processor.Processor { return &layer{next} })
	}
	pipeline := build(tb, s, handler)
	ctx, msg := tb.Context(), delivery(t)
	return func() error { return pipeline.Process(ctx, msg) }
}

// layers is how many trivial layers stand around the handler.
const layers = 7

// layer passes everything on.
type layer struct{ next processor.Processor }

func (l *layer) Process(ctx context.Context, msg processor.Message) error {
	return l.next.Process(ctx, msg)
}

func build(tb testing.TB, s stack.Stack, handler error) *stack.Pipeline {
	tb.Helper()
	pipeline, err := s.ThenFunc(func(context.Context, processor.Message) error { return handler })
	require.NoError(tb, err)
	return pipeline
}

package tracing_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/tracing"
)

func handled(context.Context, processor.Message) error { return nil }

// The documentation gives these numbers.
func TestAllocationsOfAMessageThatIsNotRecorded(t *testing.T) {
	never := sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()))
	other := 0
	for _, tc := range []struct {
		name string
		want float64
		next func() processor.Message
		opts []tracing.Option
	}{
		{"never sampled", 5, func() processor.Message { return fromSender }, []tracing.Option{tracing.TracerProvider(never)}},
		{"never sampled, no sender's span", 3, func() processor.Message { return plain }, []tracing.Option{tracing.TracerProvider(never)}},
		{"never sampled, another key each time", 13, func() processor.Message {
			other++
			return keyed[other%len(keyed)]
		}, []tracing.Option{tracing.TracerProvider(never)}},
		{"never sampled, every other one redelivered", 5, func() processor.Message {
			other++
			return twice[other%2]
		}, []tracing.Option{tracing.TracerProvider(never)}},
		{"no provider", 2, func() processor.Message { return fromSender }, []tracing.Option{tracing.TracerProvider(noop.NewTracerProvider())}},
	} {
		p := build(t, handled, tc.opts...)
		allocs := testing.AllocsPerRun(200, func() { _ = p.Process(t.Context(), tc.next()) })
		require.Equal(t, tc.want, allocs, tc.name) //nolint:testifylint // whole numbers
	}
}

var (
	plain      = processortest.NewMessage()
	fromSender = with("traceparent", parent)
	twice      = [2]processor.Message{from(false), from(true)}
	keyed      = func() (msgs [64]processor.Message) {
		for i := range msgs {
			msgs[i] = processortest.NewMessage(processortest.Header("traceparent", parent),
				processortest.Origin(processor.Origin{Queue: "mail", Exchange: "app", RoutingKey: "user." + strconv.Itoa(i)}))
		}
		return msgs
	}()
)

func from(redelivered bool) processor.Message {
	return processortest.NewMessage(processortest.Header("traceparent", parent),
		processortest.Origin(processor.Origin{Queue: "mail", Redelivered: redelivered}))
}

func Benchmark(b *testing.B) {
	always := tracing.TracerProvider(sdk.NewTracerProvider())
	never := tracing.TracerProvider(sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample())))
	none := tracing.TracerProvider(noop.NewTracerProvider())
	b.Run("no tracing", func(b *testing.B) { run(b, processor.ProcessorFunc(handled), fromSender) })
	b.Run("no provider", func(b *testing.B) { run(b, build(b, handled, none), fromSender) })
	b.Run("never sampled", func(b *testing.B) { run(b, build(b, handled, never), fromSender) })
	b.Run("never sampled, another key each time", func(b *testing.B) { run(b, build(b, handled, never), keyed[:]...) })
	b.Run("always sampled", func(b *testing.B) { run(b, build(b, handled, always), fromSender) })
}

func run(b *testing.B, p processor.Processor, msgs ...processor.Message) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = p.Process(b.Context(), msgs[i%len(msgs)])
	}
}

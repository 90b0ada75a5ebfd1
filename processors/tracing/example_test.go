package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/tracing"
	publishertracing "github.com/gowarren/warren/publisher/tracing"
)

// One trace holds the publish, the attempt that failed and the copy in the parked queue.
func ExampleNew() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // yours sends them somewhere
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	if err := b.Declare(ctx, office); err != nil {
		panic(err)
	}
	traced, err := publishertracing.New(b.Publisher(), publishertracing.TracerProvider(provider))
	if err != nil {
		panic(err)
	}

	handler := func(context.Context, processor.Message) error {
		return processor.Stop(errors.New("mail server says no"))
	}
	pipeline, err := stack.New(
		tracing.New(tracing.TracerProvider(provider)),
		ack.New(),
		retry.New(traced, "", retry.Retries(0), retry.ParkKey("mail_parked"),
			retry.OnRepublish(func(ctx context.Context, e retry.Event) { tracing.RecordError(ctx, e.Err) }),
			retry.Logger(slog.New(slog.DiscardHandler))),
	).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	if err := traced.Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{}); err != nil {
		panic(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	c, err := consumer.New(b.Source("mail"), pipeline, consumer.Logger(quiet))
	if err != nil {
		panic(err)
	}
	fmt.Println("run:", c.Run(ctx))
	if err := b.Close(ctx); err != nil {
		panic(err)
	}

	ended := spans.GetSpans()
	for _, s := range ended {
		same := s.SpanContext.TraceID() == ended[0].SpanContext.TraceID()
		fmt.Printf("%s (%v), in the same trace: %t\n", s.Name, s.SpanKind, same)
	}
	// Output:
	// run: mail server says no
	// publish mail (producer), in the same trace: true
	// publish mail_parked (producer), in the same trace: true
	// process mail (consumer), in the same trace: true
}

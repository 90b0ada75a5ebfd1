package tracing_test

import (
	"context"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/tracing"
)

func ExampleNew() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // yours sends them somewhere
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		panic(err)
	}
	publisher, err := tracing.New(b.Publisher(), tracing.TracerProvider(provider))
	if err != nil {
		panic(err)
	}
	for _, queue := range []string{"mail", "lost"} {
		err := publisher.Publish(ctx, processor.Destination{RoutingKey: queue}, processor.Envelope{})
		fmt.Println("published:", err == nil)
	}
	if err := b.Close(ctx); err != nil {
		panic(err)
	}
	for _, s := range spans.GetSpans() {
		fmt.Printf("%s (%v): %v\n", s.Name, s.SpanKind, s.Status.Code)
	}
	// Output:
	// published: true
	// published: false
	// publish mail (producer): Unset
	// publish lost (producer): Error
}

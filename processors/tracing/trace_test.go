package tracing_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/tracing"
	publishertracing "github.com/gowarren/warren/publisher/tracing"
)

// office is a work queue with two retries and a parked queue, on a broker in this process.
var office = broker.Topology{Queues: []broker.Queue{
	{Name: "mail"},
	{Name: "mail_retry_1", MessageTTL: time.Minute, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
	{Name: "mail_retry_2", MessageTTL: time.Hour, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
	{Name: "mail_parked"},
}}

// work publishes one message and runs a consumer whose handler fails, until the message is parked.
// layers builds the stack around the handler.
func work(t *testing.T, provider oteltrace.TracerProvider, layers func(processor.Publisher) stack.Stack) {
	t.Helper()
	b := memory.New()
	require.NoError(t, b.Declare(t.Context(), office))
	publisher := must.Have(publishertracing.New(b.Publisher(), publishertracing.TracerProvider(provider)))
	require.NoError(t, publisher.Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))

	tries := 0
	p, err := layers(publisher).ThenFunc(func(context.Context, processor.Message) error {
		if tries++; tries == 3 {
			return processor.Stop(errMail) // once it is parked, the run has nothing more to do
		}
		return errMail
	})
	require.NoError(t, err)
	silent := slog.New(slog.DiscardHandler)
	err = must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(silent))).Run(t.Context())
	require.ErrorIs(t, err, errMail)
	ready, err := b.Ready(t.Context(), "mail_parked")
	require.NoError(t, err)
	require.Equal(t, 1, ready)
	require.NoError(t, b.Close(t.Context()))
}

func again(p processor.Publisher, opts ...retry.Option) processor.Middleware {
	return retry.New(p, "mail_retry_%attempt%", append(opts, retry.Retries(2),
		retry.ParkKey("mail_parked"), retry.Logger(slog.New(slog.DiscardHandler)))...)
}

func TestOneTraceHoldsThePublishEveryAttemptAndTheParkKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		provider, spans := record(nil)
		work(t, provider, func(p processor.Publisher) stack.Stack {
			return stack.New(
				tracing.New(tracing.TracerProvider(provider)),
				ack.New(),
				again(p, retry.OnRepublish(func(ctx context.Context, e retry.Event) { tracing.RecordError(ctx, e.Err) })),
				recovery.New(),
			)
		})
		ended := spans.Ended()
		requireChain(t, ended,
			"publish mail",
			"process mail", "publish mail_retry_1",
			"process mail", "publish mail_retry_2",
			"process mail", "publish mail_parked")
		attempt := int64(0)
		for _, s := range ended {
			if s.SpanKind() == oteltrace.SpanKindConsumer {
				attempt++
				require.Equal(t, attempt, attributes(s)[tracing.AttemptKey])
				require.Equal(t, codes.Error, s.Status().Code, "the callback has told of the error")
			}
		}
		require.EqualValues(t, 3, attempt)
		require.Greater(t, ended[len(ended)-1].EndTime().Sub(ended[0].StartTime()), time.Hour)
	})
}

// If the context of retry's publish holds no span, the headers name the parent.
func TestOneTraceHoldsAllAlsoWithTracingInsideRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		provider, spans := record(nil)
		work(t, provider, func(p processor.Publisher) stack.Stack {
			return stack.New(ack.New(), again(p), tracing.New(tracing.TracerProvider(provider)))
		})
		ended := spans.Ended()
		require.Len(t, ended, 7)
		for _, s := range ended {
			require.Equal(t, ended[0].SpanContext().TraceID(), s.SpanContext().TraceID(), s.Name())
		}
	})
}

// The decision not to sample, made where the trace starts, holds for all of it.
func TestATraceThatIsNotSampledIsNotSampledAnywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, none := record(sdk.NeverSample())
		followed, spans := record(sdk.ParentBased(sdk.AlwaysSample()))
		b := memory.New()
		require.NoError(t, b.Declare(t.Context(), office))
		publisher := must.Have(publishertracing.New(b.Publisher(), publishertracing.TracerProvider(first)))
		require.NoError(t, publisher.Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		p, err := stack.New(tracing.New(tracing.TracerProvider(followed)), ack.New()).ThenFunc(
			func(ctx context.Context, _ processor.Message) error {
				sc := oteltrace.SpanContextFromContext(ctx)
				if !sc.IsValid() || sc.IsSampled() {
					return errors.New("the decision is lost")
				}
				return processor.ErrStop
			})
		require.NoError(t, err)
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p)).Run(t.Context()))
		require.NoError(t, b.Close(t.Context()))
		require.Empty(t, none.Ended())
		require.Empty(t, spans.Ended())
	})
}

// requireChain checks that the spans have these names, each the child of the one before.
func requireChain(t *testing.T, ended []sdk.ReadOnlySpan, names ...string) {
	t.Helper()
	require.Len(t, ended, len(names))
	var parent oteltrace.SpanContext
	for _, name := range names {
		child := childOf(ended, parent.SpanID())
		require.NotNil(t, child, name)
		require.Equal(t, name, child.Name())
		if parent.IsValid() {
			require.Equal(t, parent.TraceID(), child.SpanContext().TraceID())
		}
		parent = child.SpanContext()
	}
}

func childOf(ended []sdk.ReadOnlySpan, parent oteltrace.SpanID) sdk.ReadOnlySpan {
	for _, s := range ended {
		if s.Parent().SpanID() == parent {
			return s
		}
	}
	return nil
}

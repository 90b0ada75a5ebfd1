package processors_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/tracing"
	"github.com/gowarren/warren/processors/xdeath"
	publisherretrying "github.com/gowarren/warren/publisher/retrying"
	publishertracing "github.com/gowarren/warren/publisher/tracing"
)

type (
	nilSource   struct{ broker.Source }
	nilProvider struct{ noop.TracerProvider }
	self        struct{ processor.Publisher }
)

func (s *self) Unwrap() processor.Publisher { return s }

// Each was accepted, and panicked or hung at the first message.
func TestWhatIsNilOrWrapsItselfIsRefusedWhenItIsGiven(t *testing.T) {
	t.Parallel()
	layer := func(m processor.Middleware) error {
		_, err := stack.New(m).Then(&calls{})
		return err
	}
	second := func(_ any, err error) error { return err }
	b := memory.New()
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	errs := map[string]error{
		"dedup's store":        layer(dedup.New((*dedup.Memory)(nil))),
		"consumer's source":    second(consumer.New((*nilSource)(nil), &calls{})),
		"consumer's handler":   second(consumer.New(b.Source("q"), (*calls)(nil))),
		"consumer's function":  second(consumer.New(b.Source("q"), processor.ProcessorFunc(nil))),
		"consumer's pipeline":  second(consumer.New(b.Source("q"), &stack.Pipeline{})),
		"an embedded pipeline": second(consumer.New(b.Source("q"), struct{ *stack.Pipeline }{})),
		"replay's broker":      second(replay.Run(t.Context(), (*memory.Broker)(nil), "q", replay.ToQueue("w"))),
		"delay's redeclarer":   second(delay.Compatible((*memory.Broker)(nil))("q", nil)),
		"tracing's provider":   layer(tracing.New(tracing.TracerProvider((*nilProvider)(nil)))),
		"the publisher's":      second(publishertracing.New(&processortest.Publisher{}, publishertracing.TracerProvider((*nilProvider)(nil)))),
	}
	to := processor.Destination{RoutingKey: parked}
	for name, p := range map[string]processor.Publisher{
		"nil": nil, "nil function": processor.PublisherFunc(nil), "nil pointer": (*processortest.Publisher)(nil), "itself": &self{},
	} {
		errs["retry, "+name] = layer(retry.New(p, "r_%attempt%"))
		errs["backoff, "+name] = layer(backoff.New(p, work))
		errs["redelivery, "+name] = layer(redelivery.New(p, parked))
		errs["xdeath, "+name] = layer(xdeath.New(xdeath.Park(p, to)))
		errs["retrying, "+name] = second(publisherretrying.New(p))
		errs["tracing, "+name] = second(publishertracing.New(p))
	}
	for name, err := range errs {
		require.Error(t, err, name)
	}
}

// The panic passed the ack layer, and ended the process, again at each redelivery.
func TestAPublisherThatPanicsHasFailed(t *testing.T) {
	t.Parallel()
	to := processor.Destination{RoutingKey: parked}
	for _, when := range []string{"always", "once"} {
		n := 0
		p := processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
			if n++; n == 1 || when == "always" {
				panic("a bug of the publisher's")
			}
			return nil
		})
		for name, m := range map[string]processor.Middleware{
			"retry":           retry.New(p, "r_%attempt%", retry.KeepTrying(300*time.Millisecond)),
			"retry, parked":   retry.New(p, "", retry.Retries(0), retry.ParkKey(parked), retry.KeepTrying(300*time.Millisecond)),
			"backoff":         backoff.New(p, "test-queue", backoff.KeepTrying(300*time.Millisecond)),
			"backoff, parked": backoff.New(p, "test-queue", backoff.Retries(0), backoff.Park(to), backoff.KeepTrying(300*time.Millisecond)),
			"redelivery":      redelivery.New(p, parked, redelivery.Retries(0), redelivery.KeepTrying(300*time.Millisecond)),
		} {
			n = 0
			msg := message()
			pipeline, err := stack.New(m).Then(fails())
			require.NoError(t, err)
			err = pipeline.Process(t.Context(), msg)
			if when == "once" {
				require.NoError(t, err, name)
				continue
			}
			require.Equal(t, processor.Requeued, processor.Decide(err).Action, name)
			require.ErrorIs(t, err, errMail, name)
			require.ErrorIs(t, err, processor.ErrIndeterminate, name)
		}
	}
}

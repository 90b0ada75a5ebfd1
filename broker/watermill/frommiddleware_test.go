package watermill_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/retry"
)

func nop(h message.HandlerFunc) message.HandlerFunc { return h }

func TestAForeignMiddlewareKeepsTheContract(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return watermill.FromMiddleware(nop) },
		Allocates: true,
	})
}

func TestRecovererTurnsAPanicIntoAnError(t *testing.T) {
	t.Parallel()
	err := inside(t, middleware.Recoverer, processortest.NewMessage(), func(context.Context, processor.Message) error { panic("boom") })
	var recovered middleware.RecoveredPanicError
	require.ErrorAs(t, err, &recovered)
	require.Equal(t, "boom", recovered.V)
}

// inside runs a Watermill middleware around f.
func inside(tb testing.TB, m message.HandlerMiddleware, msg processor.Message, f processor.ProcessorFunc) error {
	tb.Helper()
	p, err := stack.New(watermill.FromMiddleware(m)).Then(f)
	require.NoError(tb, err)
	return p.Process(tb.Context(), msg)
}

func TestTheInnerLayersGetTheMessageItself(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.Header("odd", struct{}{}), processortest.Header("n", int16(1)))
	require.NoError(t, inside(t, nop, msg, func(_ context.Context, m processor.Message) error {
		require.Same(t, msg, m)
		return nil
	}))
}

func TestTheMiddlewareSeesTheMessage(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.Body("hello"), processortest.Header("n", int64(7)),
		processortest.Properties(processor.Properties{ID: "id", CorrelationID: "4711"}))
	called := false
	require.NoError(t, inside(t, func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			called = true
			require.Equal(t, "id", m.UUID)
			require.Equal(t, "hello", string(m.Payload))
			require.Equal(t, "7", m.Metadata["n"])
			require.Equal(t, "4711", middleware.MessageCorrelationID(m))
			return h(m)
		}
	}, msg, gives(nil)))
	require.True(t, called)
}

func TestWhatAMiddlewareChangesReachesTheInnerLayers(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.Body("hello"),
		processortest.Header("n", int16(7)), processortest.Header("text", int16(7)), processortest.Header("gone", "x"), processortest.Header("odd", struct{}{}),
		processortest.Properties(processor.Properties{ID: "id", ContentType: "text/plain"}))
	change := func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			m.UUID, m.Payload = "new id", []byte("HELLO")
			m.Metadata.Set("n", "8")
			m.Metadata.Set("text", "eight")
			m.Metadata.Set("new", "header")
			delete(m.Metadata, "gone")
			middleware.SetCorrelationID("4711", m)
			m.SetContext(context.WithValue(m.Context(), key{}, "value"))
			return h(m)
		}
	}
	require.NoError(t, inside(t, change, msg, func(ctx context.Context, m processor.Message) error {
		require.Equal(t, "HELLO", string(m.Body()))
		require.Equal(t, processor.Headers{"n": int16(8), "text": "eight", "new": "header", "odd": struct{}{}}, m.Headers())
		require.Equal(t, processor.Properties{ID: "new id", ContentType: "text/plain", CorrelationID: "4711"}, m.Properties())
		require.Equal(t, "value", ctx.Value(key{}))
		return m.Ack()
	}))
	require.Equal(t, "hello", string(msg.Body()))
	require.Equal(t, int16(7), msg.Headers()["n"], "the message itself is left as it was")
	require.True(t, msg.Settled())
}

func TestTimeoutEndsTheContext(t *testing.T) {
	t.Parallel()
	err := inside(t, middleware.Timeout(time.Millisecond), processortest.NewMessage(), func(ctx context.Context, _ processor.Message) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnErrorPassesUnchanged(t *testing.T) {
	t.Parallel()
	want := processor.RetryAfter(errMail, time.Minute)
	require.Same(t, want, inside(t, nop, processortest.NewMessage(), gives(want)))
}

func TestRetryCallsTheInnerLayersAgain(t *testing.T) {
	t.Parallel()
	calls := 0
	again := middleware.Retry{MaxRetries: 5, InitialInterval: time.Microsecond, Multiplier: 1}
	require.NoError(t, inside(t, again.Middleware, processortest.NewMessage(), func(context.Context, processor.Message) error {
		if calls++; calls < 3 {
			return errMail
		}
		return nil
	}))
	require.Equal(t, 3, calls)
}

func TestAPanicOfTheMiddlewareIsOurs(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "boom", func() {
		_ = inside(t, func(message.HandlerFunc) message.HandlerFunc {
			return func(*message.Message) ([]*message.Message, error) { panic("boom") }
		}, processortest.NewMessage(), gives(nil))
	})
}

func TestWhatAMiddlewareProducesIsNotLostInSilence(t *testing.T) {
	t.Parallel()
	produce := func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			_, err := h(m)
			return message.Messages{m}, err
		}
	}
	require.ErrorContains(t, inside(t, produce, processortest.NewMessage(), gives(nil)), "nobody publishes")
	require.Same(t, errMail, inside(t, produce, processortest.NewMessage(), gives(errMail)))
}

func TestAMiddlewareThatSettlesIsHeeded(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage()
	require.NoError(t, inside(t, middleware.InstantAck, msg, gives(nil)))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())

	msg = processortest.NewMessage()
	require.NoError(t, inside(t, func(message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			m.Nack()
			return nil, nil
		}
	}, msg, gives(nil)))
	require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
}

func TestAMiddlewareThatLosesTheContextIsTold(t *testing.T) {
	t.Parallel()
	lose := func(h message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) { return h(m.Copy()) }
	}
	require.ErrorContains(t, inside(t, lose, processortest.NewMessage(), gives(nil)), "replaced")
}

func TestAStackRefusesAMiddlewareThatIsNone(t *testing.T) {
	t.Parallel()
	for _, m := range []message.HandlerMiddleware{nil, func(message.HandlerFunc) message.HandlerFunc { return nil }} {
		_, err := stack.New(watermill.FromMiddleware(m)).Then(gives(nil))
		require.ErrorContains(t, err, "watermill")
	}
}

func TestAForeignMiddlewareHasAName(t *testing.T) {
	t.Parallel()
	var pub processortest.Publisher
	p, err := stack.New(
		watermill.FromMiddleware(middleware.Timeout(time.Second)),
		watermill.FromMiddleware(middleware.Recoverer),
		watermill.FromMiddleware(middleware.Retry{}.Middleware),
		retry.New(&pub, "retry_%attempt%"),
	).Then(gives(nil))
	require.NoError(t, err)
	layers := p.Describe().Layers
	require.Equal(t, "Watermill's Timeout", layers[0].Name)
	require.Equal(t, "Watermill's Recoverer", layers[1].Name)
	require.Equal(t, "Watermill's Retry", layers[2].Name)
	require.Equal(t, "retry", layers[3].Name, "the inner layers are seen")
}

func TestTwoOfOneStackDoNotMeet(t *testing.T) {
	t.Parallel()
	p, err := stack.New(watermill.FromMiddleware(nop), watermill.FromMiddleware(middleware.Recoverer), watermill.FromMiddleware(nop)).
		Then(gives(errMail))
	require.NoError(t, err)
	require.Same(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
}

package watermill_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/timeout"
)

type key struct{}

// around returns h inside a stack of layers.
func around(tb testing.TB, h message.HandlerFunc, layers ...processor.Middleware) message.HandlerFunc {
	tb.Helper()
	m, err := watermill.Middleware(stack.New(layers...), watermill.Discard(quiet), watermill.Logger(quiet))
	require.NoError(tb, err)
	return m(h)
}

func TestTheContextGoesThroughTheStackAndIsPutBack(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("id", nil)
	outer := context.WithValue(t.Context(), key{}, "outer")
	msg.SetContext(outer)
	h := around(t, func(m *message.Message) ([]*message.Message, error) {
		require.Same(t, msg, m)
		require.Equal(t, "inner", m.Context().Value(key{}))
		return nil, nil
	}, layer(func(ctx context.Context, m processor.Message, next processor.Processor) error {
		require.Equal(t, "outer", ctx.Value(key{}))
		return next.Process(context.WithValue(ctx, key{}, "inner"), m)
	}))
	_, err := h(msg)
	require.NoError(t, err)
	require.Equal(t, outer, msg.Context())
}

func TestTheContextIsPutBackAfterAPanic(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("id", nil)
	before := msg.Context()
	h := around(t, func(*message.Message) ([]*message.Message, error) { panic("boom") }, timeout.New(time.Second))
	require.Panics(t, func() { _, _ = h(msg) })
	require.Equal(t, before, msg.Context())
}

func TestALayerThatReplacesTheContextIsTold(t *testing.T) {
	t.Parallel()
	h := around(t, message.PassthroughHandler, layer(func(_ context.Context, m processor.Message, next processor.Processor) error {
		return next.Process(context.Background(), m) //nolint:contextcheck // that is the mistake
	}))
	_, err := h(message.NewMessage("id", nil))
	require.ErrorContains(t, err, "replaced")
}

func TestTheHandlerSeesWhatALayerHasMadeOfTheMessage(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("id", []byte("coded"))
	msg.Metadata.Set("tenant", "acme")
	h := around(t, message.PassthroughHandler, layer(func(ctx context.Context, m processor.Message, next processor.Processor) error {
		return next.Process(ctx, decoded{m})
	}))
	produced, err := h(msg)
	require.NoError(t, err)
	require.Len(t, produced, 1)
	require.Equal(t, "decoded", string(produced[0].Payload))
	require.Equal(t, "id", produced[0].UUID)
	require.Equal(t, "acme", produced[0].Metadata["tenant"])
	require.Equal(t, "coded", string(msg.Payload))
}

type decoded struct{ processor.Message }

func (decoded) Body() []byte { return []byte("decoded") }

func TestWhatAFailedHandlerHasProducedIsNotPublished(t *testing.T) {
	t.Parallel()
	calls := 0
	flaky := func(*message.Message) ([]*message.Message, error) {
		calls++
		produced := message.Messages{message.NewMessage(string(rune('0'+calls)), nil)}
		if calls%2 == 1 {
			return produced, errMail
		}
		return produced, nil
	}
	produced, err := around(t, flaky)(message.NewMessage("id", nil))
	require.ErrorIs(t, err, errMail)
	require.Empty(t, produced)

	calls = 0
	produced, err = around(t, flaky, instantretry.New(instantretry.Delay(time.Millisecond), instantretry.Logger(quiet)))(message.NewMessage("id", nil))
	require.NoError(t, err)
	require.Len(t, produced, 1)
	require.Equal(t, "2", produced[0].UUID, "of the try that succeeded")

	calls = 0
	produced, err = around(t, flaky, catch.New(catch.Logger(quiet)))(message.NewMessage("id", nil))
	require.NoError(t, err)
	require.Empty(t, produced, "the error is caught, and still there is no result")

	calls = 0
	twice := layer(func(ctx context.Context, m processor.Message, next processor.Processor) error {
		_ = next.Process(ctx, m)
		_ = next.Process(ctx, m)
		return next.Process(ctx, m)
	})
	produced, err = around(t, flaky, catch.New(catch.Logger(quiet)), twice)(message.NewMessage("id", nil))
	require.NoError(t, err)
	require.Empty(t, produced, "the last try failed")

	calls = 1
	late := layer(func(ctx context.Context, m processor.Message, next processor.Processor) error {
		return errors.Join(next.Process(ctx, m), errMail) // as a commit that fails
	})
	produced, err = around(t, flaky, late)(message.NewMessage("id", nil))
	require.ErrorIs(t, err, errMail)
	require.Empty(t, produced)
}

func TestProduce(t *testing.T) {
	t.Parallel()
	calls := 0
	h, err := watermill.HandlerFunc(stack.New(ack.New(), instantretry.New(instantretry.Delay(time.Millisecond), instantretry.Logger(quiet))), func(_ context.Context, msg processor.Message) ([]*message.Message, error) {
		if calls++; calls == 1 {
			return message.Messages{message.NewMessage("of no avail", nil)}, errMail
		}
		return message.Messages{message.NewMessage("re: "+msg.Properties().ID, nil)}, nil
	}, watermill.Discard(nil))
	require.NoError(t, err)
	produced, err := h(message.NewMessage("id", nil))
	require.NoError(t, err)
	require.Len(t, produced, 1)
	require.Equal(t, "re: id", produced[0].UUID)
}

// A retry outside the stack is a new attempt, with an unsettled message.
func TestARetryOutsideTheStackCallsItAgain(t *testing.T) {
	t.Parallel()
	calls := 0
	h := around(t, func(*message.Message) ([]*message.Message, error) {
		if calls++; calls < 3 {
			return nil, errMail
		}
		return nil, nil
	}, ack.New(ack.RequeueOnError()))
	msg := message.NewMessage("id", nil)
	_, err := middleware.Retry{MaxRetries: 3, InitialInterval: time.Microsecond, Multiplier: 1}.Middleware(h)(msg)
	require.NoError(t, err)
	require.Equal(t, 3, calls)
	require.False(t, isClosed(msg.Acked()), "that is for the router")
	require.False(t, isClosed(msg.Nacked()))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A message that its handler has settled, as with InstantAck, does not also get a copy.
func TestAHandlerThatSettlesItselfIsHeeded(t *testing.T) {
	t.Parallel()
	for name, settle := range map[string]func(*message.Message) bool{"ack": (*message.Message).Ack, "nack": (*message.Message).Nack} {
		for _, decorating := range []bool{false, true} {
			var pub processortest.Publisher
			layers := []processor.Middleware{retry.New(&pub, "retry_%attempt%", retry.Logger(quiet))}
			if decorating {
				layers = append(layers, layer(func(ctx context.Context, m processor.Message, next processor.Processor) error {
					return next.Process(ctx, decoded{m})
				}))
			}
			h := around(t, func(m *message.Message) ([]*message.Message, error) {
				settle(m)
				return nil, errMail
			}, layers...)
			msg := message.NewMessage("id", nil)
			_, err := h(msg)
			require.Empty(t, pub.Published(), name)
			require.Equal(t, name == "nack", err != nil, "what is acked is done with")
		}
	}
}

// InstantAck outside does not settle for the handler inside.
func TestAMessageThatWasAckedBeforeIsRetried(t *testing.T) {
	t.Parallel()
	var pub processortest.Publisher
	h := around(t, func(*message.Message) ([]*message.Message, error) { return nil, errMail }, retry.New(&pub, "retry_%attempt%", retry.Logger(quiet)))
	_, err := middleware.InstantAck(h)(message.NewMessage("id", nil))
	require.NoError(t, err)
	require.Len(t, pub.Published(), 1)
}

func TestEachHandlerHasAPipelineThatIsStarted(t *testing.T) {
	t.Parallel()
	started := 0
	m, err := watermill.Middleware(stack.New(func(next processor.Processor) processor.Processor {
		return &starter{next, func() error { started++; return nil }}
	}), watermill.Discard(nil))
	require.NoError(t, err)
	require.Zero(t, started)
	for range 2 {
		_, err = m(message.PassthroughHandler)(message.NewMessage("id", nil))
		require.NoError(t, err)
	}
	require.Equal(t, 2, started)

	h := around(t, message.PassthroughHandler, func(next processor.Processor) processor.Processor {
		return &starter{next, func() error { return errMail }}
	})
	_, err = h(message.NewMessage("id", nil))
	require.ErrorIs(t, err, errMail)
}

type starter struct {
	processor.Processor
	start func() error
}

func (s *starter) Start(context.Context) error { return s.start() }

func (s *starter) Unwrap() processor.Processor { return s.Processor }

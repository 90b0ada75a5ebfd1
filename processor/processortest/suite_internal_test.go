package processortest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// layer is a middleware that is wrong in one way.
type layer func(ctx context.Context, msg processor.Message, next processor.Processor) error

func (l layer) contract() Contract {
	return Contract{New: func(testing.TB) processor.Middleware {
		return func(next processor.Processor) processor.Processor {
			return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error { return l(ctx, msg, next) })
		}
	}}
}

var sink []byte

// callAgain is a retry in place.
func callAgain(ctx context.Context, msg processor.Message, next processor.Processor) error {
	if next.Process(ctx, msg) == nil {
		return nil
	}
	return next.Process(ctx, msg)
}

// Each case of the suite finds the layer that it is there for.
func TestTheSuiteFindsWhatIsWrong(t *testing.T) { //nolint:paralleltest // AllocsPerRun measures the whole process
	for name, tc := range map[string]struct {
		check func(*testing.T, Contract) string
		layer layer
	}{
		"hides success": {passesSuccess, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			return errors.Join(next.Process(ctx, msg), errors.New("hidden"))
		}},
		"calls twice": {passesSuccess, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			_ = next.Process(ctx, msg)
			return next.Process(ctx, msg)
		}},
		"writes into the headers": {passesSuccess, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			msg.Headers()["layer"] = "was here"
			return next.Process(ctx, msg)
		}},
		"writes into a nested header": {passesSuccess, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			if nested, ok := msg.Headers().Table("test-nested"); ok {
				nested["layer"] = "was here"
			}
			return next.Process(ctx, msg)
		}},
		"drops the context": {passesSuccess, func(_ context.Context, msg processor.Message, next processor.Processor) error {
			return next.Process(context.Background(), msg) //nolint:contextcheck // the fault to find
		}},
		"settles by surprise": {passesSuccess, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			return errors.Join(next.Process(ctx, msg), msg.Ack())
		}},
		"allocates": {allocatesNothing, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			sink = make([]byte, 100)
			return next.Process(ctx, msg)
		}},
		"replaces the error": {keepsErrors, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			if next.Process(ctx, msg) != nil {
				return errors.New("something went wrong")
			}
			return nil
		}},
		"forgets to stop": {keepsErrors, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			if next.Process(ctx, msg) != nil {
				return errHandler
			}
			return nil
		}},
		"writes into the headers of what failed": {keepsErrors, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			err := next.Process(ctx, msg)
			if err != nil {
				delete(msg.Headers(), "test-flat")
			}
			return err
		}},
		"calls again after a failure": {keepsErrors, callAgain},
		"never calls": {keepsErrors, func(context.Context, processor.Message, processor.Processor) error {
			return processor.Stop(errHandler)
		}},
		"calls again among many": {isConcurrent, callAgain},
		"settles twice": {settlesOnce, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			if err := next.Process(ctx, msg); err != nil {
				return errors.Join(err, msg.Nack(true), msg.Nack(false))
			}
			return nil
		}},
		"acks what was cut short": {honoursContext, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			return errors.Join(next.Process(ctx, msg), msg.Ack())
		}},
		"settles without saying so": {keepsItsWord, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			return errors.Join(next.Process(ctx, msg), msg.Ack())
		}},
		"catches without saying so": {keepsItsWord, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			_ = next.Process(ctx, msg)
			return nil
		}},
		"recovers without saying so": {keepsItsWord, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			defer func() { _ = recover() }()
			return next.Process(ctx, msg)
		}},
		"acks what panicked": {func(t *testing.T, c Contract) string {
			c.Settles, c.Absorbs, c.Recovers = true, true, true
			return treatsPanic(t, c)
		}, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			defer func() { _ = recover() }()
			defer func() { _ = msg.Ack() }()
			return next.Process(ctx, msg)
		}},
		"swallows a panic": {treatsPanic, func(ctx context.Context, msg processor.Message, next processor.Processor) error {
			defer func() { _ = recover() }()
			return next.Process(ctx, msg)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, tc.check(t, tc.layer.contract()))
		})
	}
}

func TestALayerThatDoesNothingPasses(t *testing.T) {
	TestMiddleware(t, layer(func(ctx context.Context, msg processor.Message, next processor.Processor) error {
		return next.Process(ctx, msg)
	}).contract())
}

func TestALayerThatRepeatsByContractPasses(t *testing.T) {
	c := layer(callAgain).contract()
	c.Repeats = true
	TestMiddleware(t, c)
}

func TestTheMessageRemembersEveryAttempt(t *testing.T) {
	t.Parallel()
	m := NewMessage(Header("a", 1), Header("b", 2))
	require.False(t, m.Returned())
	require.NoError(t, m.Nack(true))
	require.ErrorIs(t, m.Ack(), processor.ErrSettled)
	require.ErrorIs(t, m.Release(), processor.ErrSettled)
	require.Equal(t, []Settlement{Requeued, Acked, Released}, m.Settlements())
	require.True(t, m.Returned(), "by the one that counted")
	require.Equal(t, processor.Headers{"a": 1, "b": 2}, m.Headers())
}

func TestThePublisherRecordsOrFails(t *testing.T) {
	t.Parallel()
	var p Publisher
	to := processor.Destination{RoutingKey: "k"}
	require.NoError(t, p.Publish(t.Context(), to, processor.Envelope{}))
	p.FailWith(processor.ErrRefused)
	require.ErrorIs(t, p.Publish(t.Context(), to, processor.Envelope{}), processor.ErrRefused)
	require.Equal(t, []Publishing{{To: to}}, p.Published())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.FailWith(nil)
	require.ErrorIs(t, p.Publish(ctx, to, processor.Envelope{}), context.Canceled)
}

func TestThePublisherKeepsNothingOfTheCallers(t *testing.T) {
	t.Parallel()
	var p Publisher
	e := processor.Envelope{Body: []byte("body"), Headers: processor.Headers{"a": 1}}
	require.NoError(t, p.Publish(t.Context(), processor.Destination{}, e))
	e.Body[0] = 'X'
	e.Headers["a"] = 2
	require.Equal(t, processor.Envelope{Body: []byte("body"), Headers: processor.Headers{"a": 1}}, p.Published()[0].Envelope)
}

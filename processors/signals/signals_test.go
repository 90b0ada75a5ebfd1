package signals_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/signals"
)

func TestMain(m *testing.M) {
	if program := os.Getenv("WARREN_SIGNALS_CHILD"); program != "" {
		os.Exit(child(program))
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return signals.New() },
	})
}

var errMail = errors.New("mail server says no")

func succeed(context.Context, processor.Message) error { return nil }

func build(t *testing.T, h processor.ProcessorFunc, opts ...signals.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(signals.New(opts...)).Then(h)
	require.NoError(t, err)
	return p
}

func TestStopWorksBeforeStartAndTwice(t *testing.T) {
	t.Parallel()
	p := build(t, succeed)
	require.NoError(t, p.Stop(t.Context()))
	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.NoError(t, p.Idle(t.Context()))
	require.NoError(t, p.Stop(t.Context()))
	require.NoError(t, p.Stop(t.Context()))
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for says, m := range map[string]processor.Middleware{
		"was given none":    signals.New(signals.Signals()),
		"signal 2 is nil":   signals.New(signals.Signals(os.Interrupt, nil)),
		"listen to SIGKILL": signals.New(signals.Signals(os.Interrupt, os.Kill)),
		"option 1 is nil":   signals.New(nil),
	} {
		_, err := stack.New(m).ThenFunc(succeed)
		require.ErrorContains(t, err, says)
	}
}

func TestSettingsNameTheDefault(t *testing.T) {
	t.Parallel()
	require.Equal(t, stack.LayerDescription{
		Name: "signals", Settings: []stack.Setting{{Name: "signals", Value: "SIGTERM, SIGINT, SIGQUIT"}},
	}, build(t, succeed).Describe().Layers[0])
}

func TestTheSignalsAreTheLayersOwn(t *testing.T) {
	t.Parallel()
	chosen := []os.Signal{os.Interrupt}
	p := build(t, succeed, signals.Signals(chosen...))
	chosen[0] = os.Kill
	require.Equal(t, "SIGINT", p.Describe().Layers[0].Settings[0].Value)
}

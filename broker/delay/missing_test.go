package delay_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// Without its topology Delay fails, and the error says what to do.
func TestATopologyThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	embedded := memory.New()
	t.Cleanup(func() { _ = embedded.Close(t.Context()) })
	undeclared(t, embedded, "missing")
}

func TestATopologyThatIsMissingOnRabbitMQIsNamed(t *testing.T) {
	t.Parallel()
	undeclared(t, connect(t, rabbitmqtest.Shared(t)), "missing-"+rand.Text())
}

func undeclared(t *testing.T, b broker.Broker, queue string) {
	t.Helper()
	const hint = "is not in the broker: declare the topology (backoff.Topology or Delayer.Topology)"
	all := []time.Duration{time.Second}
	// No other test has this unit.
	strategies := map[string]delay.Strategy{"steps": delay.Steps(), "ladder": delay.Ladder(delay.Unit(773*time.Millisecond), delay.Longest(time.Minute))}
	for name, strategy := range strategies {
		d, err := strategy(queue, all)
		require.NoError(t, err)
		for _, asked := range []time.Duration{0, time.Second} {
			err = d.Delay(t.Context(), b.Publisher(), text("m"), asked)
			require.ErrorIs(t, err, processor.ErrUnroutable, "%s, %v", name, asked)
			require.ErrorContains(t, err, hint, "%s, %v", name, asked)
		}
	}

	// Another error does not mention the topology.
	d, err := strategies["steps"](queue, all)
	require.NoError(t, err)
	large := processor.Envelope{Properties: processor.Properties{ID: string(make([]byte, 256))}}
	require.NoError(t, b.Declare(t.Context(), d.Topology()))
	err = d.Delay(t.Context(), b.Publisher(), large, time.Second)
	require.ErrorIs(t, err, processor.ErrTooLarge)
	require.NotContains(t, err.Error(), hint)
}

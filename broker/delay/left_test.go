package delay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
)

// The steps of an earlier strategy are owned, whatever the strategy is now.
func TestStepsOfAnEarlierStrategyAreOwned(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]delay.Strategy{
		"steps": delay.Steps(), "ladder": delay.Ladder(), "compatible": delay.Compatible(&redeclared{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := []time.Duration{time.Second}
			d, err := strategy("mail", all)
			require.NoError(t, err)
			require.Equal(t, []string{"mail.delay.v1."}, d.Topology().Owned)

			// The ladders of all services would be taken for leftovers.
			d, err = strategy("warren", all)
			require.NoError(t, err)
			require.Empty(t, d.Topology().Owned)
		})
	}
}

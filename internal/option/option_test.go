package option_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/option"
)

type config []int

type setting func(*config)

func set(n int) setting { return func(c *config) { *c = append(*c, n) } }

func TestApply(t *testing.T) {
	t.Parallel()
	var c config
	require.NoError(t, option.Apply("ack", &c, []setting{set(1), set(2)}))
	require.Equal(t, config{1, 2}, c)
	require.NoError(t, option.Apply[config, setting]("ack", &c, nil))
	require.EqualError(t, option.Apply("ack", &c, []setting{set(3), nil, set(4)}), "ack: option 2 is nil: leave it out")
	require.Equal(t, config{1, 2, 3}, c)
}

func TestUnit(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-1, 0, time.Millisecond, time.Hour} {
		require.NoError(t, option.Unit("timeout: the limit", d, time.Millisecond))
	}
	require.EqualError(t, option.Unit("timeout: the limit", 300, time.Millisecond),
		"timeout: the limit is 300ns: that is less than 1ms; was time.Second left out?")
}

package option_test

import (
	"testing"

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

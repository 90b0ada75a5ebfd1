package option_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
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

func TestPositive(t *testing.T) {
	t.Parallel()
	require.NoError(t, option.Positive("cleanup: Timeout", time.Millisecond))
	require.EqualError(t, option.Positive("cleanup: Timeout", 0), "cleanup: Timeout is 0s: it must be positive")
	require.ErrorContains(t, option.Positive("cleanup: Timeout", 300), "was time.Second left out?")
}

func TestNotNegative(t *testing.T) {
	t.Parallel()
	require.NoError(t, option.NotNegative("retry: KeepTrying", 0))
	require.EqualError(t, option.NotNegative("retry: KeepTrying", -1), "retry: KeepTrying is -1ns: it must be 0 or more")
	require.ErrorContains(t, option.NotNegative("retry: KeepTrying", 300), "was time.Second left out?")
}

// broken is a publisher that cannot work.
type broken struct{ processor.Publisher }

func (broken) Check() error { return errors.New("it is broken") }

func TestPublisher(t *testing.T) {
	t.Parallel()
	require.NoError(t, option.Publisher("retry: the publisher", struct{ processor.Publisher }{}))
	require.EqualError(t, option.Publisher("retry: the publisher", nil), "retry: the publisher is nil: pass the broker's Publisher()")
	require.EqualError(t, option.Publisher("retry: the publisher", broken{}), "retry: the publisher cannot work: it is broken")
}

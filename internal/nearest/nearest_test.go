package nearest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/nearest"
)

var known = []string{"brokers", "drain_timeout", "log", "prefetch", "workers"}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"worker":        "workers",
		"wrokers":       "workers",
		"WORKERS":       "workers",
		"lgo":           "log",
		"drain_timeuot": "drain_timeout",
		"draintimeout":  "drain_timeout",
		"prefech":       "prefetch",
		"log":           "log",
	} {
		found, ok := nearest.Of(name, known...)
		require.True(t, ok, name)
		require.Equal(t, want, found, name)
	}
	for _, name := range []string{"", "x", "queues", "timeout", strings.Repeat("workers", 1_000)} {
		_, ok := nearest.Of(name, known...)
		require.False(t, ok, name)
	}
	_, ok := nearest.Of("b", "a")
	require.False(t, ok, "nothing of it is the same")
	_, ok = nearest.Of("workers")
	require.False(t, ok, "nothing is known")
}

func TestHint(t *testing.T) {
	t.Parallel()
	require.Equal(t, ", do you mean workers?", nearest.Hint("worker", known...))
	require.Equal(t, ": it can be json, text", nearest.Hint("xml", "text", "json"))
	require.Empty(t, nearest.Hint("xml"))
}

package unbegun_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
)

// A message whose own time was always too short to be begun went back untouched without end.
func TestResult(t *testing.T) {
	t.Parallel()
	err := errors.New("the store does not answer")
	channel, lose := context.WithCancel(t.Context())
	alive := processor.WithChannel(t.Context(), channel)
	over, cancel := context.WithTimeout(alive, 0)
	defer cancel()
	require.Equal(t, processor.Released, processor.Decide(unbegun.Result(alive, err)).Action)
	require.Equal(t, err, unbegun.Result(over, err))
	lose()
	require.Equal(t, processor.Released, processor.Decide(unbegun.Result(over, err)).Action)
	require.ErrorIs(t, unbegun.Result(over, err), err)
}

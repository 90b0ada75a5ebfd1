package processor_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// knot wraps itself, and ring itself twice, beside another error.
type (
	knot struct{}
	ring struct{ beside error }
)

func (*knot) Error() string     { return "knot" }
func (k *knot) Unwrap() error   { return k }
func (*ring) Error() string     { return "ring" }
func (r *ring) Unwrap() []error { return []error{r.beside, r, r} }

// The process ended, its stack used up, again each time that the message came.
func TestAnErrorThatWrapsItselfIsAFailure(t *testing.T) {
	t.Parallel()
	failed := processor.Decision{Action: processor.Failed}
	for _, err := range []error{&knot{}, fmt.Errorf("a: %w", &knot{}), &ring{}, errors.Join(&ring{}, &knot{})} {
		require.Equal(t, failed, processor.Decide(err))
	}
	require.Equal(t, processor.Rejected, processor.Decide(processor.Reject(&knot{})).Action)
	require.Equal(t, processor.Requeued, processor.Decide(&ring{processor.Requeue(nil)}).Action)
}

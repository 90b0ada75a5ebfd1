package processor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

func TestLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause error
		want  bool
	}{
		"its channel is gone":              {processor.ErrStale, true},
		"its channel is gone, and why":     {fmt.Errorf("%w: %w", processor.ErrStale, errors.New("closed")), true},
		"the run is over":                  {processor.ErrShutdown, false},
		"somebody has cancelled":           {nil, false},
		"somebody has cancelled, and says": {errors.New("enough"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			child, end := context.WithCancel(ctx)
			defer end()
			require.False(t, processor.Lost(ctx))
			cancel(tc.cause)
			require.Equal(t, tc.want, processor.Lost(ctx))
			require.Equal(t, tc.want, processor.Lost(child), "a handler's own context below it")
			require.False(t, tc.want && processor.ShuttingDown(ctx))
		})
	}
}

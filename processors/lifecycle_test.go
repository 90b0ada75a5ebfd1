package processors_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// alive counts its starts, idles and stops.
type alive struct {
	processor.Processor

	started, idled, stopped int
}

func (a *alive) Start(context.Context) error { a.started++; return nil }
func (a *alive) Idle(context.Context) error  { a.idled++; return nil }
func (a *alive) Stop(context.Context) error  { a.stopped++; return nil }

// A pipeline that is decorated by a layer, and not built with it, is started and stopped as well.
func TestNoLayerHidesTheLifecycleOfWhatItDecorates(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			t.Cleanup(func() { require.NoError(t, w.db.Close()) })
			inner := &alive{}
			layer := func(next processor.Processor) processor.Processor { inner.Processor = next; return inner }
			p, err := stack.New(ack.New(), layer).ThenFunc(func(context.Context, processor.Message) error { return nil })
			require.NoError(t, err)
			outer := w.the(name)(p)
			require.NoError(t, stack.Start(t.Context(), outer))
			_ = stack.Idle(t.Context(), outer) // insomniac ends the run with it
			require.NoError(t, stack.Stop(t.Context(), outer))
			require.Equal(t, []int{1, 1, 1}, []int{inner.started, inner.idled, inner.stopped})
		})
	}
}

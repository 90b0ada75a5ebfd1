package consumer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// cursed has methods that panic, as those of a typed nil pointer do.
type cursed struct{ inner error }

func (c *cursed) Error() string { return c.inner.Error() }
func (c *cursed) Unwrap() error { return c.inner }

// knot wraps itself.
type knot struct{}

func (*knot) Error() string   { return "knot" }
func (k *knot) Unwrap() error { return k }

// vain matches everything, and panics when it is asked.
type vain struct{}

func (vain) Error() string   { return "vain" }
func (vain) Is(error) bool   { panic("is") }
func (vain) As(any) bool     { panic("as") }
func (vain) Unwrap() []error { panic("unwrap") }

// A message that the drain deadline cuts short stays unsettled, and then its error was asked what it is: one that panics
// ended the process, with the drain of every other consumer in it, and one that wraps itself was asked without end.
func TestNoErrorOfAHandlerEndsTheDrain(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{"typed nil": (*cursed)(nil), "knot": &knot{}, "vain": vain{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
				p := acked(t, func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return result })
				c := must.Have(consumer.New(b.Source("mail"), p, quiet(), consumer.DrainTimeout(time.Second)))
				post(t, b, nil)
				running(t, c)
				require.Equal(t, 1, readyIn(t, b, "mail"))
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

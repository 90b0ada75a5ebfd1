package processor_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// stackLayer is a layer that says what it is.
type stackLayer struct {
	name string
	role processor.Role
	next processor.Processor
}

var _ processor.Layer = (*stackLayer)(nil)

func (l *stackLayer) Name() string         { return l.name }
func (l *stackLayer) Role() processor.Role { return l.role }
func (l *stackLayer) Process(ctx context.Context, msg processor.Message) error {
	return l.next.Process(ctx, msg)
}

func layer(name string, role processor.Role) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return &stackLayer{name, role, next}
	}
}

const (
	settles  = processor.Settles
	retries  = processor.Retries
	recovers = processor.Recovers
	catches  = processor.Catches
)

// orders is the verdict on each pair of roles, in both orders.
var orders = []struct {
	outer, inner processor.Role
	allowed      bool
}{
	{settles, settles, false}, // settled twice
	{settles, retries, true},  // published, then acked
	{settles, recovers, true},
	{settles, catches, false}, // every failure is acked
	{retries, settles, false}, // settled before it is published
	{retries, retries, true},
	{retries, recovers, true},
	{retries, catches, false},  // never retried
	{recovers, settles, false}, // a panic leaves it unsettled
	{recovers, retries, false}, // a panic is never retried
	{recovers, recovers, true},
	{recovers, catches, true},
	{catches, settles, true},
	{catches, retries, true},
	{catches, recovers, true},
	{catches, catches, true},
}

func TestOrdersHoldEveryPair(t *testing.T) {
	t.Parallel()
	roles := []processor.Role{settles, retries, recovers, catches}
	pairs := map[[2]processor.Role]bool{}
	for _, o := range orders {
		pairs[[2]processor.Role{o.outer, o.inner}] = true
	}
	require.Len(t, orders, len(roles)*len(roles))
	require.Len(t, pairs, len(roles)*len(roles))
}

func TestThenJudgesTheOrderOfRoles(t *testing.T) {
	t.Parallel()
	for _, o := range orders {
		outer, inner := layer("the-outer", o.outer), layer("the-inner", o.inner)
		for name, stack := range map[string]processor.Stack{
			"side by side":       processor.NewStack(outer, inner),
			"others in between":  processor.NewStack(outer, pass, layer("neutral", ""), inner),
			"others all around":  processor.NewStack(pass, outer, inner, layer("neutral", ""), pass),
			"custom role around": processor.NewStack(layer("own", "own"), outer, layer("own", "own"), inner, layer("own", "own")),
		} {
			t.Run(string(o.outer)+" outside "+string(o.inner)+", "+name, func(t *testing.T) {
				t.Parallel()
				pipeline, err := stack.Then(app(new(bytes.Buffer)))
				if o.allowed {
					require.NoError(t, err)
					require.NotNil(t, pipeline)
					return
				}
				require.ErrorIs(t, err, processor.ErrOrder)
				require.ErrorContains(t, err, "the-outer")
				require.ErrorContains(t, err, "the-inner")
				require.Nil(t, pipeline)
			})
		}
	}
}

func TestTheOrderThatTheErrorAsksForWorks(t *testing.T) {
	t.Parallel()
	_, err := processor.NewStack(layer("retry", retries), layer("ack", settles)).Then(app(new(bytes.Buffer)))
	require.ErrorContains(t, err, "put ack outside retry")
	_, err = processor.NewStack(layer("ack", settles), layer("retry", retries)).Then(app(new(bytes.Buffer)))
	require.NoError(t, err)
}

func TestTheWholeShippedOrderWorks(t *testing.T) {
	t.Parallel()
	_, err := processor.NewStack(
		layer("catch", catches), layer("ack", settles), layer("retry", retries), layer("recovery", recovers),
	).Then(app(new(bytes.Buffer)))
	require.NoError(t, err)
}

func TestLayersWithoutARoleStandAnywhere(t *testing.T) {
	t.Parallel()
	silent := []processor.Middleware{pass, layer("neutral", ""), layer("own", "own")}
	for _, m := range silent {
		for _, o := range orders {
			known := layer("known", o.outer)
			for _, stack := range []processor.Stack{processor.NewStack(m, known), processor.NewStack(known, m)} {
				_, err := stack.Then(app(new(bytes.Buffer)))
				require.NoError(t, err)
			}
		}
	}
}

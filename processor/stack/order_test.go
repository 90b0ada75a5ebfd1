package stack_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// stackLayer is a layer that says what it is.
type stackLayer struct {
	name string
	role stack.Role
	next processor.Processor
}

var _ stack.Layer = (*stackLayer)(nil)

func (l *stackLayer) Name() string     { return l.name }
func (l *stackLayer) Role() stack.Role { return l.role }
func (l *stackLayer) Process(ctx context.Context, msg processor.Message) error {
	return l.next.Process(ctx, msg)
}

func layer(name string, role stack.Role) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return &stackLayer{name, role, next}
	}
}

const (
	settles  = stack.Settles
	retries  = stack.Retries
	recovers = stack.Recovers
	catches  = stack.Catches
)

// roles are all there are, in an order that works.
var roles = []stack.Role{
	catches, settles, stack.Answers, retries, stack.Counts, stack.Judges, stack.GivesUp, stack.Decodes,
	stack.Marks, stack.Responds, stack.Waits, stack.Breaks, stack.Repeats, stack.Limits, stack.Transacts, stack.Stores, recovers,
}

// verdicts hold every pair of roles: x where the role of the row must not be outside
// the role of the column.
//
//nolint:dupword // a grid
const verdicts = `
catches    . . . . . . . . . . . . . . . . .
settles    x x . . . . . . . . . . . . . . .
answers    x x x . . . . . . . . . . . . . .
retries    x x x . . . . . . . . . . . . . .
counts     . . . . . . . . . . . . . . . . .
judges     . x x x . . . . . . . . . . . . .
gives-up   x x x x . . . . . . . . . . . . .
decodes    . x x x . . x . . . . . . . . . .
marks      x x . x . . . . . . . . . . . . .
responds   . x . x . . x . x x . . . . . . .
waits      . . . . . . . . . . . . . . . . .
breaks     x . . x . . . . x . . . . . . . .
repeats    x x x x x . . . . . . . . . . . .
limits     . x x x . . x . . . x x . . . . .
transacts  x x x x . . x . x x x x x . x . .
stores     . . . . . . . . . . . . . . x x .
recovers   . x x x . . x . . . . . . . . . .
`

type order struct {
	outer, inner stack.Role
	allowed      bool
}

// orders are the verdicts, one by one.
func orders() []order {
	var all []order
	lines := strings.Split(strings.TrimSpace(verdicts), "\n")
	for row, outer := range roles {
		marks := strings.Fields(lines[row])[1:]
		for column, inner := range roles {
			all = append(all, order{outer, inner, marks[column] != "x"})
		}
	}
	return all
}

func TestTheVerdictsHoldEveryPair(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(verdicts), "\n")
	require.Len(t, lines, len(roles))
	for row, role := range roles {
		require.Len(t, strings.Fields(lines[row]), 1+len(roles))
		require.Equal(t, strings.ReplaceAll(string(role), " ", "-"), strings.Fields(lines[row])[0])
	}
}

func TestNoTwoRolesExcludeEachOther(t *testing.T) {
	t.Parallel()
	allowed := map[order]bool{}
	for _, o := range orders() {
		allowed[order{outer: o.outer, inner: o.inner}] = o.allowed
	}
	for o, ok := range allowed {
		require.True(t, ok || allowed[order{outer: o.inner, inner: o.outer}] || o.outer == o.inner, o)
	}
}

func TestThenJudgesTheOrderOfRoles(t *testing.T) {
	t.Parallel()
	for _, o := range orders() {
		outer, inner := layer("the-outer", o.outer), layer("the-inner", o.inner)
		for name, s := range map[string]stack.Stack{
			"side by side":       stack.New(outer, inner),
			"others in between":  stack.New(outer, pass, layer("neutral", ""), inner),
			"others all around":  stack.New(pass, outer, inner, layer("neutral", ""), pass),
			"custom role around": stack.New(layer("own", "own"), outer, layer("own", "own"), inner, layer("own", "own")),
		} {
			t.Run(string(o.outer)+" outside "+string(o.inner)+", "+name, func(t *testing.T) {
				t.Parallel()
				pipeline, err := s.Then(app(new(bytes.Buffer)))
				if o.allowed {
					require.NoError(t, err)
					require.NotNil(t, pipeline)
					return
				}
				require.ErrorIs(t, err, stack.ErrOrder)
				require.ErrorContains(t, err, "the-outer")
				require.ErrorContains(t, err, "the-inner")
				require.Nil(t, pipeline)
			})
		}
	}
}

// A recovery outside, as a safety net for the layers, was refused although another was in its place.
func TestASecondRecoveryMayStandOutside(t *testing.T) {
	t.Parallel()
	ack, retry, giveUp := layer("ack", settles), layer("retry", retries), layer("xdeath", stack.GivesUp)
	net, inner := layer("net", recovers), layer("recovery", recovers)
	for name, tc := range map[string]struct {
		layers  []processor.Middleware
		allowed bool
	}{
		"one inside all":            {[]processor.Middleware{net, ack, retry, giveUp, inner}, true},
		"one between ack and retry": {[]processor.Middleware{ack, net, retry, inner}, true},
		"none inside":               {[]processor.Middleware{net, ack, retry}, false},
		"not inside retry":          {[]processor.Middleware{net, ack, inner, retry}, false},
		"not inside xdeath":         {[]processor.Middleware{net, ack, retry, inner, giveUp}, false},
		"three":                     {[]processor.Middleware{net, ack, net, retry, inner}, true},
	} {
		_, err := stack.New(tc.layers...).Then(app(new(bytes.Buffer)))
		if tc.allowed {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, stack.ErrOrder, name)
		}
	}
}

func TestTheOrderThatTheErrorAsksForWorks(t *testing.T) {
	t.Parallel()
	_, err := stack.New(layer("retry", retries), layer("ack", settles)).Then(app(new(bytes.Buffer)))
	require.ErrorContains(t, err, "put ack outside retry")
	_, err = stack.New(layer("ack", settles), layer("retry", retries)).Then(app(new(bytes.Buffer)))
	require.NoError(t, err)
}

func TestTheOrderOfAllRolesWorks(t *testing.T) {
	t.Parallel()
	var all stack.Stack
	for _, role := range roles {
		all = all.With(layer(string(role), role))
	}
	_, err := all.Then(app(new(bytes.Buffer)))
	require.NoError(t, err)
}

func TestLayersWithoutARoleStandAnywhere(t *testing.T) {
	t.Parallel()
	silent := []processor.Middleware{pass, layer("neutral", ""), layer("own", "own")}
	for _, m := range silent {
		for _, o := range orders() {
			known := layer("known", o.outer)
			for _, s := range []stack.Stack{stack.New(m, known), stack.New(known, m)} {
				_, err := s.Then(app(new(bytes.Buffer)))
				require.NoError(t, err)
			}
		}
	}
}

func TestEveryRefusalIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/semantics.md")
	require.NoError(t, err)
	refused := 0
	for _, o := range orders() {
		if !o.allowed {
			refused++
		}
	}
	rules := stack.OrderRules()
	require.Len(t, rules, refused)
	for _, consequence := range rules {
		require.Contains(t, string(doc), "| "+consequence+" |")
	}
}

func TestALayerHasAName(t *testing.T) {
	t.Parallel()
	_, err := stack.New(layer("", settles)).Then(app(new(bytes.Buffer)))
	require.ErrorContains(t, err, "*stack_test.stackLayer has an empty name")
}

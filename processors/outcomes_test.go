// Package processors_test checks all shipped processors together: the orders that a stack allows,
// and the outcomes of a message in it.
package processors_test

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

func TestMain(m *testing.M) {
	// Goroutines that the process starts with the first of these must not belong to a bubble.
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
	goleak.VerifyTestMain(m)
}

var errMail = errors.New("mail server says no")

// recipe is a stack by the names of its layers, outermost first.
type recipe []string

func (r recipe) String() string { return strings.Join(r, " > ") }

func (r recipe) build(w *world, handler processor.Processor) (*stack.Pipeline, error) {
	var s stack.Stack
	for _, name := range r {
		s = s.With(w.the(name))
	}
	return s.Then(handler)
}

// blank is a world for building stacks, without messages.
func blank() *world { return &world{db: &sql.DB{}} }

// valid reports whether the stack may be built in this order.
func (r recipe) valid() bool {
	_, err := r.build(blank(), processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil }))
	return err == nil
}

// The table of outcomes by which a stack describes itself is true on a broker, and no stack that
// can be built loses or doubles a message.
func TestNoDescriptionLies(t *testing.T) {
	t.Parallel()
	for _, r := range recipes() {
		synctest.Test(t, func(t *testing.T) {
			p, err := r.build(blank(), handler(stack.CaseSuccess, nil))
			require.NoError(t, err)
			told := p.Describe().Outcomes
			for i, want := range told {
				got := live(t, want.Case, r.build)
				if want.Hangs {
					require.True(t, got.hangs, "%v: %v", r, want)
					want = told[len(told)-1] // as at shutdown
				} else {
					require.False(t, got.hangs, "%v: %v", r, want)
				}
				require.Equal(t, expected(t, want), fate{got.panics, false, got.action, got.settled, got.holds},
					"%v: %s: %v", r, told[i].Case, want)
				if want.Case != stack.CaseSuccess {
					require.NotEmpty(t, got.holds, "%v: %s: lost", r, told[i].Case)
				}
			}
		})
	}
}

// expected is the fate of an outcome.
func expected(t *testing.T, o stack.Outcome) fate {
	t.Helper()
	require.Empty(t, o.Unknown)
	f := fate{panics: o.Panics, settled: o.Settled, holds: map[string]int{}}
	if !o.Panics {
		f.action = o.Action
	}
	places := map[string]string{
		processor.Destination{RoutingKey: again}.String():                    again,
		processor.Destination{RoutingKey: parked}.String():                   parked,
		processor.Destination{RoutingKey: work}.String() + " after 1s":       delayed,
		processor.Destination{RoutingKey: work}.String() + " after about 1s": delayed,
		"the caller, as the result":                                          caller,
		"the caller, as an error":                                            caller,
		processor.Destination{RoutingKey: faults}.String():                   faults,
	}
	for _, to := range o.Published {
		f.holds[places[to]]++
	}
	switch o.Settled {
	case stack.SettledByAck:
	case stack.SettledByNack:
		f.holds[dead]++
	case stack.SettledByRequeue, stack.Unsettled:
		f.holds[work]++
	}
	return f
}

// recipes are stacks of one and two layers, bare and inside ack and retry, and random ones
// of many layers.
func recipes() []recipe {
	var all []recipe
	add := func(r recipe) {
		if r.valid() {
			all = append(all, r)
		}
	}
	for _, outer := range kinds() {
		add(recipe{outer})
		add(recipe{"ack", "retry", outer})
		for _, inner := range kinds() {
			add(recipe{outer, inner})
			add(recipe{"ack", "retry", outer, inner})
		}
	}
	for range 200 {
		all = append(all, random())
	}
	return all
}

// kinds are all names, with the variants.
func kinds() []string { return slices.Concat(names(), slices.Sorted(maps.Keys(variants))) }

// random grows a stack: each layer goes to a random place, if allowed there.
func random() recipe {
	r := recipe{}
	shuffled := kinds()
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, name := range shuffled {
		at := rand.N(len(r) + 1)
		grown := append(append(append(recipe{}, r[:at]...), name), r[at:]...)
		if grown.valid() {
			r = grown
		}
	}
	return r
}

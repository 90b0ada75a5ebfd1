package publisher_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
	"github.com/gowarren/warren/publisher/identity"
	"github.com/gowarren/warren/publisher/retrying"
	"github.com/gowarren/warren/publisher/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decorator is a constructor of one.
type decorator func(processor.Publisher) (processor.Publisher, error)

// others are the folders of what is no decorator.
var others = []string{"outbox", "readfiles", "rpc", "typed"}

// shipped are all decorators, by the names of their folders.
var shipped = map[string]decorator{
	"retrying": func(p processor.Publisher) (processor.Publisher, error) {
		return retrying.New(p, retrying.Retries(1), retrying.Backoff(time.Millisecond, time.Millisecond))
	},
	"identity": func(p processor.Publisher) (processor.Publisher, error) { return identity.New(p) },
	"tracing":  func(p processor.Publisher) (processor.Publisher, error) { return tracing.New(p) },
}

// foreign is a decorator from elsewhere, written by the documentation of [processor.Publisher].
type foreign struct{ next processor.Publisher }

func (f foreign) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	return f.next.Publish(ctx, to, e)
}

func (f foreign) Unwrap() processor.Publisher { return f.next }

// decorators are each that is shipped, each around each, and each around and in a foreign one.
func decorators() map[string]decorator {
	all := maps.Clone(shipped)
	around := func(outer, inner decorator) decorator {
		return func(p processor.Publisher) (processor.Publisher, error) {
			inside, err := inner(p)
			if err != nil {
				return nil, err
			}
			return outer(inside)
		}
	}
	other := func(p processor.Publisher) (processor.Publisher, error) { return foreign{p}, nil }
	all["foreign"] = other
	for name, outer := range shipped {
		for inside, inner := range shipped {
			all[name+" around "+inside] = around(outer, inner)
		}
		all[name+" around foreign"], all["foreign around "+name] = around(outer, other), around(other, outer)
	}
	return all
}

// each runs a test for each decorator.
func each(t *testing.T, test func(t *testing.T, decorate decorator)) {
	t.Helper()
	for name, decorate := range decorators() {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, decorate) })
	}
}

// layers are all that take a publisher.
func layers(p processor.Publisher) map[string]processor.Middleware {
	return map[string]processor.Middleware{
		"retry":      retry.New(p, "retry_%attempt%", retry.ParkKey("parked")),
		"backoff":    backoff.New(p, "work"),
		"redelivery": redelivery.New(p, "parked"),
		"xdeath":     xdeath.New(xdeath.Park(p, processor.Destination{RoutingKey: "parked"})),
	}
}

// built is the error of a stack with the layer in it.
func built(layer processor.Middleware) error {
	_, err := stack.New(ack.New(), layer).ThenFunc(func(context.Context, processor.Message) error { return nil })
	return err
}

func TestAllAreHere(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(others, e.Name()) {
			folders = append(folders, e.Name())
		}
	}
	require.Equal(t, folders, slices.Sorted(maps.Keys(shipped)))
}

func TestADecoratorChangesNothingForAPublisherThatWorks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, decorate decorator) {
		for name, layer := range layers(must.Have(decorate(&processortest.Publisher{}))) {
			require.NoError(t, built(layer), name)
		}
	})
}

// wanting is a publisher whose Check fails.
type wanting struct{ processortest.Publisher }

var errWanting = errors.New("it has no topic")

func (*wanting) Check() error { return errWanting }

func TestADecoratorDoesNotHideThatItsPublisherCannotWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, decorate decorator) {
		p, err := decorate(&wanting{})
		if err != nil {
			require.ErrorIs(t, err, errWanting)
			return
		}
		for name, layer := range layers(p) {
			require.ErrorIs(t, built(layer), errWanting, name)
		}
	})
}

// bare is a publisher for which nothing can be declared.
type bare struct{ processortest.Publisher }

var errBare = errors.New("nothing can be declared here")

func (*bare) CheckTopology(broker.Topology) error { return errBare }

// Copies went to a topic without a subscriber, and the stack gave no error.
func TestADecoratorDoesNotHideWhatCannotBeDeclared(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, decorate decorator) {
		all := layers(must.Have(decorate(&bare{})))
		require.ErrorIs(t, built(all["backoff"]), errBare)
		require.ErrorIs(t, built(all["redelivery"]), errBare)
	})
}

// A publisher that is nil passed, and the first failure panicked.
func TestADecoratorOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, decorate decorator) {
		for what, p := range map[string]processor.Publisher{"nil": nil, "a nil function": processor.PublisherFunc(nil)} {
			p, err := decorate(p)
			if err != nil {
				require.ErrorContains(t, err, "nil", what)
				continue
			}
			for name, layer := range layers(p) {
				require.ErrorContains(t, built(layer), "nil", name+" "+what)
			}
		}
	})
}

// many is a publisher of batches.
type many struct {
	processortest.Publisher

	batches []int // how many messages each had
	answers [][]error
}

func (m *many) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	m.batches = append(m.batches, len(batch))
	if len(m.answers) > 0 {
		errs := m.answers[0]
		m.answers = m.answers[1:]
		return errs
	}
	for _, e := range batch {
		if err := m.Publish(ctx, to, e); err != nil {
			return []error{err}
		}
	}
	return nil
}

func batch() []processor.Envelope {
	var all []processor.Envelope
	for _, id := range []string{"1", "2", "3"} {
		all = append(all, processor.Envelope{Properties: processor.Properties{ID: id}})
	}
	return all
}

func ids(all []processortest.Publishing) []string {
	var list []string
	for _, p := range all {
		list = append(list, p.Envelope.ID)
	}
	return list
}

// A batch stays one if each decorator takes batches, and goes message by message through one that
// does not: it never bypasses a decorator.
func TestABatchGoesThroughEachDecorator(t *testing.T) {
	t.Parallel()
	to := processor.Destination{RoutingKey: "q"}
	for name, decorate := range shipped {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m many
			require.Empty(t, processor.PublishBatch(t.Context(), must.Have(decorate(&m)), to, batch()))
			require.Equal(t, []int{3}, m.batches)
			require.Equal(t, []string{"1", "2", "3"}, ids(m.Published()))
		})
	}
	each(t, func(t *testing.T, decorate decorator) {
		var m many
		require.Empty(t, processor.PublishBatch(t.Context(), must.Have(decorate(&m)), to, batch()))
		require.Equal(t, []string{"1", "2", "3"}, ids(m.Published()))

		var single processortest.Publisher
		require.Empty(t, processor.PublishBatch(t.Context(), must.Have(decorate(&single)), to, batch()))
		require.Equal(t, []string{"1", "2", "3"}, ids(single.Published()))

		single.FailWith(processor.ErrUnroutable)
		errs := processor.PublishBatch(t.Context(), must.Have(decorate(&single)), to, batch())
		require.Len(t, errs, 3)
		for _, err := range errs {
			require.ErrorIs(t, err, processor.ErrUnroutable, "it was sent, and ends no batch")
		}
		single.FailWith(processor.ErrForbidden)
		errs = processor.PublishBatch(t.Context(), must.Have(decorate(&single)), to, batch())
		require.Len(t, errs, 3)
		require.ErrorIs(t, errs[0], processor.ErrForbidden)
		require.ErrorIs(t, errs[1], processor.ErrSkipped)
		require.ErrorIs(t, errs[2], processor.ErrSkipped)
	})
}

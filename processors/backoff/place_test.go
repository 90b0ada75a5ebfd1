package backoff_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

// topicsOnly is a publisher to a broker that has no queues to declare.
type topicsOnly struct{ processortest.Publisher }

func (*topicsOnly) CheckTopology(t broker.Topology) error {
	if len(t.Queues) > 0 {
		return errPlace
	}
	return nil
}

var errPlace = errors.New("there are no queues")

func TestDelaysThatAPublisherCannotHaveAreRefused(t *testing.T) {
	t.Parallel()
	handler := processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })
	for _, opts := range [][]backoff.Option{nil, {backoff.Jitter(0)}} {
		_, err := stack.New(backoff.New(&topicsOnly{}, "mail", opts...)).Then(handler)
		require.ErrorIs(t, err, errPlace)
	}
	_, err := stack.New(backoff.New(&topicsOnly{}, "mail", backoff.Jitter(-1))).Then(handler)
	require.Error(t, err, "options that are wrong leave no delays to check")
	require.NotErrorIs(t, err, errPlace)
}

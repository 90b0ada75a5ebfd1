package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var to = processor.Destination{RoutingKey: "q"}

func TestTheIDMayBeMadeByAFunction(t *testing.T) {
	t.Parallel()
	var next processortest.Publisher
	p := must.Have(identity.New(&next, identity.ID(func(e processor.Envelope) string { return "made of " + string(e.Body) })))
	require.NoError(t, p.Publish(t.Context(), to, processor.Envelope{Body: []byte("a")}))
	require.NoError(t, p.Publish(t.Context(), to, processor.Envelope{Properties: processor.Properties{ID: "given"}}))
	require.Equal(t, "made of a", next.Published()[0].Envelope.ID)
	require.Equal(t, "given", next.Published()[1].Envelope.ID)
}

// It was published without an id, and the panic ended the caller.
func TestWithoutAnIDNothingIsPublished(t *testing.T) {
	t.Parallel()
	for says, id := range map[string]func() string{
		"returned nothing": func() string { return "" },
		"panicked: boom":   func() string { panic("boom") },
	} {
		var next processortest.Publisher
		p := must.Have(identity.New(&next, identity.ID(func(processor.Envelope) string { return id() })))
		err := p.Publish(t.Context(), to, processor.Envelope{})
		require.ErrorContains(t, err, "identity: not published: the function given to ID ", says)
		require.ErrorContains(t, err, says)

		given := processor.Envelope{Properties: processor.Properties{ID: "given"}}
		errs := processor.PublishBatch(t.Context(), p, to, []processor.Envelope{given, {}, given})
		require.Len(t, errs, 3)
		require.ErrorIs(t, errs[0], processor.ErrSkipped)
		require.ErrorContains(t, errs[1], says)
		require.ErrorIs(t, errs[2], processor.ErrSkipped)
		require.Empty(t, next.Published())
	}
}

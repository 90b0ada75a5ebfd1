package processor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

func TestPublisherFunc(t *testing.T) {
	t.Parallel()
	destination := processor.Destination{Exchange: "x", RoutingKey: "k"}
	envelope := processor.Envelope{Body: []byte("body")}
	var p processor.Publisher = processor.PublisherFunc(
		func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
			require.Equal(t, t.Context(), ctx)
			require.Equal(t, destination, to)
			require.Equal(t, envelope, e)
			return processor.ErrUnroutable
		})
	require.ErrorIs(t, p.Publish(t.Context(), destination, envelope), processor.ErrUnroutable)
}

func TestDestinationString(t *testing.T) {
	t.Parallel()
	for want, to := range map[string]processor.Destination{
		`queue "mail" (default exchange)`: {RoutingKey: "mail"},
		`exchange "mail" with key "a.b"`:  {Exchange: "mail", RoutingKey: "a.b"},
		`exchange "a\n" with key "\x00"`:  {Exchange: "a\n", RoutingKey: "\x00"},
	} {
		require.Equal(t, want, to.String())
	}
}

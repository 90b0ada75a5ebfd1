package publish

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The ping came after the close of its channel, and RabbitMQ ends the connection over that.
func TestAChannelIsNotClosedBeforeItsPingIsAnswered(t *testing.T) {
	t.Parallel()
	c := newChannel()
	require.True(t, c.ping())
	c.retired = true
	require.False(t, c.unneeded())
	c.pinged = false
	require.True(t, c.unneeded())
	require.False(t, c.ping())
}

package watermill_test

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
)

// It ended the process, at each redelivery of the message.
func TestADeadLetterThatPanicsRequeuesItsMessage(t *testing.T) {
	t.Parallel()
	panics := func(*message.Message, string, error) error { panic("nil map") }
	g := goChannel(t, gochannel.Config{OutputChannelBuffer: 1})
	sub := subscribe(t, must.Have(watermill.NewSource(g, "mail", panics)), 1)
	require.NoError(t, g.Publish("mail", message.NewMessage("1", nil)))
	pipeline := must.Have(stack.New(ack.New(), recovery.New(recovery.Logger(quiet))).Then(gives(processor.Reject(errMail))))
	for range 3 {
		require.ErrorContains(t, pipeline.Process(t.Context(), receive(t, sub)), "panicked: nil map")
	}
}

func TestADeadLetterThatPanicsInARouterIsAnError(t *testing.T) {
	t.Parallel()
	panics := func(*message.Message, string, error) error { panic("nil map") }
	pipeline := must.Have(stack.New(ack.New(), recovery.New(recovery.Logger(quiet))).Then(gives(processor.Reject(errMail))))
	h := must.Have(watermill.Handler(pipeline, panics, watermill.Logger(quiet)))
	err := h(message.NewMessage("1", nil))
	require.ErrorContains(t, err, "panicked: nil map")
	require.ErrorIs(t, err, errMail)
}

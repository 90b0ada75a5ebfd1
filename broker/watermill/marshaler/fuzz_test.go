package marshaler_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill/marshaler"
)

// A sender may write any header, Warren's too. A message that was read can be republished, unless
// it is too large, and is then the same.
func FuzzAMessageThatWasReadIsPublishedFurther(f *testing.F) {
	f.Add("uuid", "id", "correlation", "_warren", `{"kinds":{"key":"int64"},"headers":{"correlation_id":["int8","1"]}}`)
	f.Add("", "", "", "_warren_message_id", "other")
	f.Add("a", "b", "c", "correlation_id", "d")
	f.Fuzz(func(t *testing.T, uuid, id, correlation, name, value string) {
		msg, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{
			MessageId: id, CorrelationId: correlation, Body: []byte("body"),
			Headers: amqp.Table{"_watermill_message_uuid": uuid, name: value, "list": []any{value, int32(1), nil}},
		})
		require.NoError(t, err)
		p, err := marshaler.Typed{}.Marshal(msg)
		if err != nil {
			return
		}
		again, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{MessageId: p.MessageId, CorrelationId: p.CorrelationId, Headers: p.Headers, Body: p.Body})
		require.NoError(t, err)
		require.Equal(t, msg.UUID, again.UUID)
		require.Equal(t, msg.Metadata["list"], again.Metadata["list"])
	})
}

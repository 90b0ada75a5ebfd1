package rabbitmq_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// One message of a sender crashed a classic queue for good, with all that was in it, and
// was lost from a quorum queue.
func TestAMalformedDeathCanBeRejected(t *testing.T) {
	t.Parallel()
	for kind, death := range map[string]any{
		"classic": []any{"malformed"},
		"quorum":  "malformed",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := rabbitmqtest.Shared(t).URL()
			b := open(t, url)
			dead := declareQueue(t, url, nil)
			work := declareQueue(t, url, amqp.Table{
				"x-queue-type": kind, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
			})
			ch := raw(t, url)
			for range 3 {
				require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{
					MessageId: "forged", Headers: amqp.Table{"x-death": death, "app": int32(1)},
				}))
				require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{MessageId: "honest"}))
			}
			sub := subscribe(t, b, work, 1)
			for range 9 { // the forged ones come once more
				require.NoError(t, receive(t, sub).Nack(false))
			}
			ids := map[string]int{}
			for range 6 {
				d := take(t, ch, dead)
				ids[d.MessageId]++
				deaths, ok := d.Headers["x-death"].([]any)
				require.True(t, ok, "the broker's own")
				require.Len(t, deaths, 1)
			}
			require.Equal(t, map[string]int{"forged": 3, "honest": 3}, ids)
			ready(t, b, work, 0)
		})
	}
}

// What is not rejected is settled as any other.
func TestAMalformedDeathCanBeAckedAndRequeued(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	work := declareQueue(t, url, nil)
	require.NoError(t, raw(t, url).Publish("", work, true, false, amqp.Publishing{Headers: amqp.Table{"x-death": "malformed"}}))
	sub := subscribe(t, b, work, 1)
	require.NoError(t, receive(t, sub).Nack(true))
	msg := receive(t, sub)
	require.True(t, msg.Origin().Redelivered)
	require.Equal(t, "malformed", msg.Headers()["x-death"])
	require.NoError(t, msg.Ack())
	require.ErrorIs(t, msg.Ack(), processor.ErrSettled)
	ready(t, b, work, 0)
}

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
func TestAMalformedDeathIsNotRejected(t *testing.T) {
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
			require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{MessageId: "forged", Headers: amqp.Table{"x-death": death}}))
			for range 3 {
				require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{MessageId: "honest"}))
			}
			sub := subscribe(t, b, work, 10) // with 1 a classic queue would deliver nothing else
			for honest := 0; honest < 3; {
				msg := receive(t, sub)
				if msg.Properties().ID == "honest" {
					honest++
				}
				require.NoError(t, msg.Nack(false))
			}
			for range 3 {
				require.Equal(t, "honest", take(t, ch, dead).MessageId)
			}
			forged := receive(t, sub)
			require.Equal(t, "forged", forged.Properties().ID, "it is still there, and can be parked")
			require.NoError(t, forged.Ack())
			ready(t, b, work, 0)
			ready(t, b, dead, 0)
		})
	}
}

// A settlement that comes too late does nothing, and does not wait.
func TestAMalformedDeathOnAChannelThatIsGone(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	work := declareQueue(t, url, nil)
	require.NoError(t, raw(t, url).Publish("", work, true, false, amqp.Publishing{Headers: amqp.Table{"x-death": "malformed"}}))
	sub := subscribe(t, b, work, 1)
	msg := receive(t, sub)
	require.NoError(t, sub.Close(within(t)))
	require.ErrorIs(t, msg.Nack(false), processor.ErrStale)
	ready(t, b, work, 1)
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

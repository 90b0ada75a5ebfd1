package rabbitmq_test

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// deaths are x-deaths that RabbitMQ does not write, and the queues that 3.10 harms because of them:
// one such message crashed a classic queue permanently, with all its messages, and was lost from a
// quorum queue.
var deaths = map[string]any{"classic": []any{"malformed"}, "quorum": "malformed"}

// RabbitMQ 4.x dead-letters such a message. With 3.10 it is first replaced by a copy, and comes
// twice. When it was simply requeued, as before, it was redelivered again and again: 15 times in 15
// s, and with a prefetch of 1 nothing else was delivered.
func TestAMalformedDeathIsRejectedAndHarmsNobody(t *testing.T) {
	t.Parallel()
	times := 2
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		times = 1
	}
	for kind, death := range deaths {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := rabbitmqtest.Shared(t).URL()
			b := open(t, url)
			dead := declareQueue(t, url, nil)
			work := declareQueue(t, url, amqp.Table{
				"x-queue-type": kind, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
			})
			ch := raw(t, url)
			forged := amqp.Publishing{
				MessageId: "forged", UserId: "guest", Body: []byte("body"), Expiration: "3600000",
				Headers: amqp.Table{"x-death": death, "app": "mine", "CC": []any{dead}},
			}
			require.NoError(t, ch.Publish("", work, true, false, forged))
			for range 20 {
				require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{MessageId: "honest"}))
			}
			require.Equal(t, "forged", take(t, ch, dead).MessageId, "its CC")
			sub := subscribe(t, b, work, 1)
			seen := map[string]int{}
			for range 20 + times {
				msg := receive(t, sub)
				seen[msg.Properties().ID]++
				require.Equal(t, msg.Properties().ID == "forged", msg.Headers()["app"] == "mine")
				require.NoError(t, msg.Nack(false))
			}
			require.Equal(t, map[string]int{"forged": times, "honest": 20}, seen)
			ready(t, b, work, 0)
			ready(t, b, dead, 21)
			for range 21 {
				if d := take(t, ch, dead); d.MessageId == "forged" {
					require.Equal(t, "body", string(d.Body))
					require.Equal(t, fmt.Sprint([]any{work}), fmt.Sprint(d.Headers["x-death"].([]any)[0].(amqp.Table)["routing-keys"].([]any)[:1])) //nolint:forcetypeassert // a panic fails it as well
				}
			}
		})
	}
}

// A copy is published for it with 3.10. If that is refused the message is requeued, with a pause.
func TestAMalformedDeathInAQueueThatTakesNoCopyIsNotLost(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	dead := declareQueue(t, url, nil)
	work := declareQueue(t, url, amqp.Table{
		"x-max-length": int32(1), "x-overflow": "reject-publish", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	ch := raw(t, url)
	require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{Headers: amqp.Table{"x-death": "malformed"}}))
	sub := subscribe(t, b, work, 1)
	forged := receive(t, sub)
	require.NoError(t, ch.Publish("", work, true, false, amqp.Publishing{MessageId: "fills it"}))
	ready(t, b, work, 1)
	require.NoError(t, forged.Nack(false))
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		ready(t, b, dead, 1)
		return
	}
	again := receive(t, sub)
	require.Equal(t, "malformed", again.Headers()["x-death"])
	require.NoError(t, again.Ack())
	require.Equal(t, "fills it", receive(t, sub).Properties().ID)
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

// Without a rejection it is settled like any other.
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

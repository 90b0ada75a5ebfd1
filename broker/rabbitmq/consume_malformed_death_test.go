package rabbitmq_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/retry"
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

// doubledDeaths have a key twice. The client keeps the last value of a key, and RabbitMQ acts on the
// first: with the malformed one first, such a message was rejected by Warren as it was. RabbitMQ
// 3.10.8 crashed a classic queue over it until that did not start any more, with 20 honest messages
// in it, and lost the message from a quorum queue.
var doubledDeaths = map[string]struct {
	table     string
	malformed bool
}{
	"x-death, malformed first":      {listed(longText("malformed")) + listed(entryOf(death(once()))), true},
	"x-death, malformed last":       {listed(entryOf(death(once()))) + listed(longText("malformed")), false},
	"count, malformed first":        {listed(entryOf(death(header("count", longText("malformed")), once()))), true},
	"count, malformed last":         {listed(entryOf(death(once(), header("count", longText("malformed"))))), false},
	"x-death thrice, the first":     {listed(longText("malformed")) + listed("V") + listed(entryOf(death(once()))), true},
	"count, with others in x-death": {listed(entryOf(death(once())) + entryOf(death(header("count", "V"), once()))), true},
}

// listed is x-death with these entries.
func listed(entries string) string { return header("x-death", "A", sized(entries)) }

func entryOf(s string) string { return "F" + sized(s) }

// once is a count of one.
func once() string { return header("count", "l\x00\x00\x00\x00\x00\x00\x00\x01") }

// death is an entry of the queue under test, which RabbitMQ goes on counting; see work.
func death(counts ...string) string {
	return strings.Join(counts, "") + header("reason", longText("rejected")) + header("queue", longText(work)) + header("time", "T\x00\x00\x00\x00\x00\x00\x00\x01") +
		header("exchange", longText("")) + header("routing-keys", "A", sized(longText(work)))
}

// work stands for the name of the queue.
const work = "0123456789012345678901234567890123456789"

func TestADeathThatIsGivenTwiceHarmsNobody(t *testing.T) {
	t.Parallel()
	replaced := !rabbitmqtest.Version(t).AtLeast(4, 0)
	for name, row := range doubledDeaths {
		for _, kind := range []string{"classic", "quorum"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				url := rabbitmqtest.Shared(t).URL()
				b := open(t, url)
				dead := declareQueue(t, url, nil)
				queue := fmt.Sprintf("doubled-%032x", rand.Uint64())
				ch := raw(t, url)
				_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{
					"x-queue-type": kind, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
				})
				require.NoError(t, err)
				newRawPublisher(t, url).publish(t, queue, "forged", strings.ReplaceAll(row.table, work, queue)+header("app", longText("mine")))
				for range 20 {
					require.NoError(t, ch.Publish("", queue, true, false, amqp.Publishing{MessageId: "honest"}))
				}
				times := 1
				if row.malformed && replaced {
					times = 2
				}
				sub := subscribe(t, b, queue, 1)
				seen := map[string]int{}
				for range 20 + times {
					msg := receive(t, sub)
					seen[msg.Properties().ID]++
					require.Equal(t, msg.Properties().ID == "forged", msg.Headers()["app"] == "mine")
					require.NoError(t, msg.Nack(false))
				}
				require.Equal(t, map[string]int{"forged": times, "honest": 20}, seen)
				ready(t, b, queue, 0)
				ready(t, b, dead, 21)
			})
		}
	}
}

// A handler that goes by the routing key took the copy for another message: it had the queue's name as its key.
func TestTheCopyOfAMalformedDeathKnowsWhereItWasPublished(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	work := declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.QueueBind(work, work+".created", "amq.topic", false, nil))
	require.NoError(t, ch.Publish("amq.topic", work+".created", true, false, amqp.Publishing{
		UserId: "guest", Expiration: "3600000", Headers: amqp.Table{"x-death": "malformed"},
	}))
	sub := subscribe(t, b, work, 1)
	require.NoError(t, receive(t, sub).Nack(false))
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		ready(t, b, work, 0) // without a copy
		return
	}
	msg := receive(t, sub)
	first := retry.FirstOrigin(msg)
	require.Equal(t, "amq.topic", first.Exchange)
	require.Equal(t, work+".created", first.RoutingKey)
	require.Equal(t, "guest", msg.Headers()["warren-original-user-id"])
	require.Equal(t, time.Hour, msg.Properties().Expiration)
	require.NotContains(t, msg.Headers(), "warren-original-expiration")
	require.NoError(t, msg.Ack())
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

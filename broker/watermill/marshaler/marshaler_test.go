package marshaler_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/watermill/marshaler"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

var _ wamqp.Marshaler = marshaler.Typed{}

// patience bounds everything that is waited for.
const patience = rig.Patience

// raw is a channel of the client's own.
func raw(tb testing.TB) *amqp.Channel {
	tb.Helper()
	return rig.Raw(tb, rabbitmqtest.Shared(tb).URL())
}

// pair is watermill-amqp on the shared node, with its marshaler replaced.
func pair(t *testing.T, m wamqp.Marshaler) (*wamqp.Publisher, *wamqp.Subscriber) {
	t.Helper()
	config := wamqp.NewDurableQueueConfig(rabbitmqtest.Shared(t).URL())
	config.Marshaler = m
	p, err := wamqp.NewPublisher(config, watermill.NopLogger{})
	require.NoError(t, err)
	s, err := wamqp.NewSubscriber(config, watermill.NopLogger{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = p.Close()
		_ = s.Close()
	})
	return p, s
}

func subscribe(t *testing.T, s *wamqp.Subscriber, topic string) <-chan *message.Message {
	t.Helper()
	require.NoError(t, s.SubscribeInitialize(topic))
	messages, err := s.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	return messages
}

func next(tb testing.TB, messages <-chan *message.Message) *message.Message {
	tb.Helper()
	select {
	case msg, ok := <-messages:
		require.True(tb, ok, "the channel is closed")
		return msg
	case <-time.After(patience):
		require.FailNow(tb, "no message")
		return nil
	}
}

func declare(tb testing.TB, ch *amqp.Channel, queue string, args amqp.Table) {
	tb.Helper()
	_, err := ch.QueueDeclare(queue, true, false, false, false, args)
	require.NoError(tb, err)
}

// Swarrot's count is an int32 from one of its drivers, and an int64 from the other.
func TestForeignMessagesArePublishedFurtherAsTheyCame(t *testing.T) {
	t.Parallel()
	p, s := pair(t, marshaler.Typed{})
	ch := raw(t)
	in, out := t.Name()+"-in", t.Name()+"-out"
	messages := subscribe(t, s, in)
	declare(t, ch, out, nil)
	headers := amqp.Table{
		"swarrot_retry_attempts": int64(1),
		"other_driver":           int32(math.MinInt32),
		"nested":                 amqp.Table{"table": amqp.Table{"deep": []any{true, nil, "text", int8(1)}}},
		"at":                     time.Unix(1_700_000_000, 0),
		"price":                  amqp.Decimal{Scale: 2, Value: 5},
		"half":                   0.5,
		"bytes":                  []byte{0xff},
	}
	require.NoError(t, ch.PublishWithContext(t.Context(), "", in, true, false, amqp.Publishing{
		Headers: headers, Body: []byte("body"), MessageId: "id", CorrelationId: "c", ReplyTo: "r", Type: "t", AppId: "a",
		ContentType: "text/plain", ContentEncoding: "gzip", Priority: 4, Timestamp: time.Unix(1_700_000_000, 0), Expiration: "60000",
	}))

	msg := next(t, messages)
	require.Equal(t, "id", msg.UUID)
	require.Equal(t, "1", msg.Metadata["swarrot_retry_attempts"])
	require.NoError(t, p.Publish(out, msg))
	require.True(t, msg.Ack())

	got := rig.Get(t, ch, out)
	headers["_watermill_message_uuid"] = "id"
	headers["correlation_id"] = "c"
	headers["warren-original-expiration"] = "60000"
	require.Equal(t, headers, got.Headers)
	require.Equal(t, []string{"id", "c", "r", "t", "a", "text/plain", "gzip", ""},
		[]string{got.MessageId, got.CorrelationId, got.ReplyTo, got.Type, got.AppId, got.ContentType, got.ContentEncoding, got.Expiration})
	require.Equal(t, uint8(4), got.Priority)
	require.Equal(t, amqp.Persistent, got.DeliveryMode)
	require.Equal(t, int64(1_700_000_000), got.Timestamp.Unix())
}

// watermill-amqp's own marshaler nacks it without end.
func TestADeadLetteredMessageIsRead(t *testing.T) {
	t.Parallel()
	p, s := pair(t, marshaler.Typed{})
	ch := raw(t)
	in, dead := t.Name()+"-in", t.Name()+"-dead"
	declare(t, ch, in, amqp.Table{"x-message-ttl": int32(1), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	messages := subscribe(t, s, dead)
	original := message.NewMessage("uuid", []byte("body"))
	original.Metadata["key"] = "value"
	require.NoError(t, p.Publish(in, original))

	msg := next(t, messages)
	require.Equal(t, "uuid", msg.UUID)
	require.Equal(t, "value", msg.Metadata["key"])
	require.Contains(t, msg.Metadata["x-death"], "expired")
	require.NoError(t, p.Publish(dead, msg.Copy()))
	require.True(t, msg.Ack())
	msg = next(t, messages)
	require.NotContains(t, msg.Metadata, "x-death", "a copy begins anew")
	require.True(t, msg.Ack())
}

func TestItReadsWhatTheDefaultMarshalerWritesAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	original := message.NewMessage("uuid", []byte("body"))
	original.Metadata["key"] = "value"
	original.Metadata["correlation_id"] = "correlation"
	for name, from := range map[string]wamqp.Marshaler{"default": wamqp.DefaultMarshaler{}, "typed": marshaler.Typed{}} {
		for other, to := range map[string]wamqp.Marshaler{"default": wamqp.DefaultMarshaler{}, "typed": marshaler.Typed{}} {
			p, _ := pair(t, from)
			_, s := pair(t, to)
			topic := t.Name() + name + other
			messages := subscribe(t, s, topic)
			require.NoError(t, p.Publish(topic, original.Copy()))
			msg := next(t, messages)
			require.True(t, msg.Equals(original), "from %s to %s: %v", name, other, msg)
			require.True(t, msg.Ack())
		}
	}
}

// While an application changes from one to the other, a message may pass through both repeatedly.
// The entry with the types was quoted in the next one each time: after 13 rounds it had 200 KB, for
// which RabbitMQ closes the connection.
func TestAMessageThatGoesRoundThroughTheDefaultMarshalerStaysAsItIs(t *testing.T) {
	t.Parallel()
	first, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{
		ContentType: "application/json", AppId: "a", Priority: 3, Timestamp: time.Unix(1_700_000_000, 0), Body: []byte("body"),
		Headers: amqp.Table{"_watermill_message_uuid": "uuid", "correlation_id": "c", "swarrot_retry_attempts": int32(2), "_warren": "theirs"},
	})
	require.NoError(t, err)
	msg := first
	for range 13 {
		folded, err := wamqp.DefaultMarshaler{}.Marshal(msg)
		require.NoError(t, err)
		msg, err = marshaler.Typed{}.Unmarshal(amqp.Delivery{Headers: folded.Headers, Body: folded.Body})
		require.NoError(t, err)
		require.True(t, msg.Equals(first), "%v, not %v", msg, first)
	}
	p, err := marshaler.Typed{}.Marshal(msg)
	require.NoError(t, err)
	require.Equal(t, int32(2), p.Headers["swarrot_retry_attempts"])
	require.Equal(t, "application/json", p.ContentType)
	require.Equal(t, uint8(3), p.Priority)
}

// A sender cannot overrule the broker's properties, and only the broker sets the user id.
func TestWhatAHeaderSaysOfThePropertiesIsNotMoreThanThem(t *testing.T) {
	t.Parallel()
	msg, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{ContentType: "text/plain", Body: []byte("body"), Headers: amqp.Table{
		"_warren": `{"contentType":"other","type":"forged","userId":"admin","expirationMs":5,"kinds":{"n":"int8","_watermill_message_uuid":"int8"}}`,
		"n":       int64(300), "_watermill_message_uuid": "7",
	}})
	require.NoError(t, err)
	require.Equal(t, "7", msg.UUID)
	p, err := marshaler.Typed{}.Marshal(msg)
	require.NoError(t, err)
	require.Equal(t, "text/plain", p.ContentType)
	require.Equal(t, "forged", p.Type)
	require.Empty(t, p.UserId)
	require.Empty(t, p.Expiration)
	require.Equal(t, amqp.Table{"n": int64(300), "_watermill_message_uuid": "7", "warren-original-expiration": "5"}, p.Headers)
}

func TestADeletedQueueGivesNoEmptyMessage(t *testing.T) {
	t.Parallel()
	p, s := pair(t, marshaler.Typed{})
	ch := raw(t)
	topic := t.Name()
	messages := subscribe(t, s, topic)
	for range 3 {
		require.Eventually(t, func() bool {
			q, err := raw(t).QueueDeclarePassive(topic, true, false, false, false, nil)
			return err == nil && q.Consumers == 1
		}, patience, 50*time.Millisecond)
		_, err := ch.QueueDelete(topic, false, false, false)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		q, err := raw(t).QueueDeclarePassive(topic, true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	}, patience, 50*time.Millisecond)
	require.NoError(t, p.Publish(topic, message.NewMessage("uuid", []byte("body"))))
	msg := next(t, messages)
	require.Equal(t, "uuid", msg.UUID)
	require.True(t, msg.Ack())
}

// RabbitMQ would close the connection, with all other messages on it.
func TestWhatCannotBeSentIsRefused(t *testing.T) {
	t.Parallel()
	msg := message.NewMessage("uuid", nil)
	msg.Metadata[strings.Repeat("x", 300)] = "value"
	_, err := marshaler.Typed{}.Marshal(msg)
	require.ErrorIs(t, err, processor.ErrTooLarge)
}

func TestAUUIDThatNoPropertyHasRoomForIsAHeader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	msg := message.NewMessage(long, nil)
	msg.Metadata["correlation_id"] = long
	p, err := marshaler.Typed{}.Marshal(msg)
	require.NoError(t, err)
	require.Empty(t, p.MessageId)
	again, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{Headers: p.Headers, Body: []byte{}})
	require.NoError(t, err)
	require.True(t, again.Equals(msg))
}

// As with PostprocessPublishing of the default marshaler.
func TestAMessageIDBesideTheUUIDIsKept(t *testing.T) {
	t.Parallel()
	msg, err := marshaler.Typed{}.Unmarshal(amqp.Delivery{MessageId: "id", Headers: amqp.Table{"_watermill_message_uuid": "uuid"}})
	require.NoError(t, err)
	require.Equal(t, "uuid", msg.UUID)
	p, err := marshaler.Typed{PostprocessPublishing: func(p amqp.Publishing) amqp.Publishing {
		p.ContentType = "text/plain"
		return p
	}}.Marshal(msg)
	require.NoError(t, err)
	require.Equal(t, "id", p.MessageId)
	require.Equal(t, amqp.Table{"_watermill_message_uuid": "uuid"}, p.Headers)
	require.Equal(t, "text/plain", p.ContentType)
}

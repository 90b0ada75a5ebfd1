package pubsub_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// Headers as PHP, Python and RabbitMQ itself write them.
func foreign() amqp.Publishing {
	return amqp.Publishing{
		Body: []byte("body"),
		Headers: amqp.Table{
			"swarrot_retry_attempts": int32(2),
			"long":                   int64(1) << 40,
			"price":                  amqp.Decimal{Scale: 2, Value: 1999},
			"nested":                 amqp.Table{"list": []any{int16(1), "two", amqp.Table{"three": true}}},
			"at":                     time.Unix(1_700_000_000, 0),
			"bytes":                  []byte{0, 1, 2},
			"nothing":                nil,
			"text":                   "text",
		},
		MessageId: "message-id", CorrelationId: "correlation-id", ReplyTo: "reply", Type: "type", AppId: "app",
		ContentType: "application/json", ContentEncoding: "gzip", Priority: 3, DeliveryMode: amqp.Persistent,
		Timestamp: time.Unix(1_700_000_000, 0),
	}
}

// properties are the fields that a delivery and a publishing share, headers and body apart.
func properties(tb testing.TB, of any) map[string]any {
	tb.Helper()
	all := map[string]any{}
	v := reflect.ValueOf(of)
	for field := range reflect.TypeFor[amqp.Publishing]().NumField() {
		name := reflect.TypeFor[amqp.Publishing]().Field(field).Name
		all[name] = v.FieldByName(name).Interface()
	}
	delete(all, "Headers")
	delete(all, "Body")
	return all
}

func TestTypesAndPropertiesSurviveBothWays(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	in, out := name(t), name(t)
	s := subscriber(t, b, pubsub.DurableQueue())
	require.NoError(t, s.SubscribeInitialize(in))
	sent := foreign()
	require.NoError(t, ch.PublishWithContext(t.Context(), "", in, true, false, sent))

	msg := next(t, subscribe(t, s, in))
	require.Equal(t, "message-id", msg.UUID)
	require.Equal(t, "2", msg.Metadata["swarrot_retry_attempts"])
	require.Equal(t, "text", msg.Metadata["text"])
	require.Equal(t, "correlation-id", msg.Metadata["correlation_id"])
	msg.Metadata["swarrot_retry_attempts"] = "3"
	require.NoError(t, publisher(t, b, pubsub.DurableQueue()).Publish(out, msg))
	require.True(t, msg.Ack())

	got := get(t, ch, out)
	want := sent.Headers
	want["swarrot_retry_attempts"] = int32(3)
	want["_watermill_message_uuid"] = "message-id"
	want["correlation_id"] = "correlation-id"
	require.Equal(t, want, got.Headers)
	require.Equal(t, sent.Body, got.Body)
	require.Equal(t, properties(t, sent), properties(t, got))
}

// A dead-lettered message has x-death; a copy with it would be dropped as a cycle.
func TestACopyHasNothingThatWouldHarmIt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	first, in, out := name(t), name(t), name(t)
	_, err := ch.QueueDeclare(first, true, false, false, false, amqp.Table{
		"x-message-ttl": int32(1), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": in,
	})
	require.NoError(t, err)
	s := subscriber(t, b, pubsub.DurableQueue())
	messages := subscribe(t, s, in)
	require.NoError(t, ch.PublishWithContext(t.Context(), "", first, true, false, amqp.Publishing{
		Headers: amqp.Table{"CC": []any{name(t)}}, UserId: "guest",
	}))
	require.NoError(t, ch.PublishWithContext(t.Context(), "", in, true, false, amqp.Publishing{Expiration: "60000"}))

	p := publisher(t, b, pubsub.DurableQueue())
	seen := map[string]amqp.Delivery{}
	for range 2 {
		msg := next(t, messages)
		_, died := msg.Metadata["x-death"]
		require.NoError(t, p.Publish(out, msg.Copy()))
		require.True(t, msg.Ack())
		copied := get(t, ch, out)
		require.Equal(t, amqp.Persistent, copied.DeliveryMode)
		require.Empty(t, copied.Expiration)
		require.Empty(t, copied.UserId)
		for _, harmful := range []string{"x-death", "x-first-death-queue", "CC", "_warren"} {
			require.NotContains(t, copied.Headers, harmful)
		}
		if died {
			seen["died"] = copied
		} else {
			seen["expires"] = copied
		}
	}
	require.Equal(t, "guest", seen["died"].Headers["warren-original-user-id"])
	require.Equal(t, "60000", seen["expires"].Headers["warren-original-expiration"])
}

// theirs is watermill-amqp with its defaults.
func theirs(t *testing.T, c wamqp.Config) (*wamqp.Publisher, *wamqp.Subscriber) {
	t.Helper()
	p, err := wamqp.NewPublisher(c, watermill.NopLogger{})
	require.NoError(t, err)
	s, err := wamqp.NewSubscriber(c, watermill.NopLogger{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = p.Close()
		_ = s.Close()
	})
	return p, s
}

func TestItWorksBesideWatermillAMQP(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	for _, row := range []struct {
		name   string
		ours   pubsub.Layout
		theirs wamqp.Config
	}{
		{"queue", pubsub.DurableQueue(), wamqp.NewDurableQueueConfig(url)},
		{"pubsub", pubsub.DurablePubSub("mail"), wamqp.NewDurablePubSubConfig(url, wamqp.GenerateQueueNameTopicNameWithSuffix("mail"))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			topic := name(t)
			b := open(t, url)
			p, s := publisher(t, b, row.ours), subscriber(t, b, row.ours)
			theirPublisher, theirSubscriber := theirs(t, row.theirs)
			require.NoError(t, s.SubscribeInitialize(topic))
			require.NoError(t, theirSubscriber.SubscribeInitialize(topic), "the same queue and exchange")

			original := text("hello")
			original.Metadata["correlation_id"] = "correlation"
			original.Metadata["key"] = "value"

			ctx, cancel := context.WithCancel(t.Context())
			require.NoError(t, p.Publish(topic, original.Copy()))
			messages, err := theirSubscriber.Subscribe(ctx, topic)
			require.NoError(t, err)
			msg := next(t, messages)
			require.Contains(t, msg.Metadata, "warren-tag", "theirs is a reader that sees it")
			delete(msg.Metadata, "warren-tag")
			require.True(t, msg.Equals(original), "%v", msg.Metadata)
			require.True(t, msg.Ack())
			cancel()
			for range messages { //nolint:revive // until it is closed
			}

			require.NoError(t, theirPublisher.Publish(topic, original.Copy()))
			msg = next(t, subscribe(t, s, topic))
			require.True(t, msg.Equals(original), "%v", msg.Metadata)
			require.True(t, msg.Ack())
		})
	}
}

// watermill-amqp delivers an empty message each time.
func TestADeletedQueueIsDeclaredAgainAndGivesNoMessage(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	topic := name(t)
	messages := subscribe(t, subscriber(t, b, pubsub.DurableQueue()), topic)
	for range 4 {
		_, err := ch.QueueDelete(topic, false, false, false)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return consumers(t, url, topic) == 1 }, patience, 10*time.Millisecond)
	}
	publish(t, b, topic, "hello")
	msg := next(t, messages)
	require.Equal(t, "hello", string(msg.Payload))
	require.True(t, msg.Ack())
}

// consumers returns how many a queue has, -1 if there is no such queue.
func consumers(tb testing.TB, url, queue string) int {
	tb.Helper()
	q, err := raw(tb, url).QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return -1
	}
	return q.Consumers
}

// Another client puts another queue in its place, and later removes it.
func TestASubscriptionThatIsLostComesBack(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	topic := name(t)
	quorum := pubsub.DurableQueue().Quorum()
	messages := subscribe(t, subscriber(t, b, quorum), topic)
	replace := func() bool { // before it is declared again
		_, err := ch.QueueDelete(topic, false, false, false)
		require.NoError(t, err)
		_, err = ch.QueueDeclare(topic, true, false, false, false, amqp.Table{"x-max-length": int32(5)})
		if err != nil {
			ch = raw(t, url)
		}
		return err == nil
	}
	require.Eventually(t, replace, patience, 100*time.Millisecond)
	select {
	case msg := <-messages:
		require.FailNow(t, "unexpected", "%v", msg)
	case <-time.After(500 * time.Millisecond):
	}
	_, err := raw(t, url).QueueDelete(topic, false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return consumers(t, url, topic) == 1 }, patience, 100*time.Millisecond)
	require.NoError(t, publisher(t, b, quorum).Publish(topic, text("hello")))
	require.True(t, next(t, messages).Ack())
}

// No other message is delivered in its place until it is settled: two handlers would process one
// message.
func TestAMessageWhoseChannelIsLostIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	s := subscriber(t, b, pubsub.DurableQueue())
	publish(t, b, "mail", "hello")
	publish(t, b, "unread", "hello")
	messages, unread := subscribe(t, s, "mail"), subscribe(t, s, "unread")
	msg := next(t, messages)
	require.NoError(t, msg.Context().Err())
	node.CloseConnections(t, "because")
	select {
	case <-msg.Context().Done():
		require.ErrorIs(t, context.Cause(msg.Context()), processor.ErrStale)
	case <-time.After(patience):
		require.FailNow(t, "its context goes on")
	}
	select {
	case again := <-messages:
		require.FailNow(t, "unexpected", "%v", again)
	case <-time.After(500 * time.Millisecond):
	}
	require.True(t, msg.Ack(), "which is no error, and settles nothing")
	again := next(t, messages)
	require.Equal(t, "hello", string(again.Payload))
	require.True(t, again.Ack())

	// A message not yet taken is no longer delivered, but the next one is.
	require.Eventually(t, func() bool { return consumers(t, node.URL(), "unread") == 1 }, patience, 10*time.Millisecond)
	fresh := next(t, unread)
	require.NoError(t, fresh.Context().Err())
	require.True(t, fresh.Ack())

	require.NoError(t, s.Close())
	for _, queue := range []string{"mail", "unread"} {
		n, err := b.Ready(t.Context(), queue)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

func TestWhatNoQueueTakesIsAnErrorUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	topic := name(t)
	l := pubsub.DurablePubSub("")
	require.ErrorIs(t, publisher(t, b, l).Publish(topic, text("1")), processor.ErrUnroutable)
	require.ErrorIs(t, publisher(t, b, l).Publish(topic, text("1"), text("2")), processor.ErrUnroutable)
	require.NoError(t, publisher(t, b, l, pubsub.AllowUnroutable()).Publish(topic, text("1"), text("2")))
}

// A removed exchange is declared again by the publish after the next.
func TestWhatAPublishNeedsIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	topic := name(t)
	p := publisher(t, b, pubsub.DurableQueue())
	require.NoError(t, p.Publish(topic, text("1")))
	_, err := ch.QueueDelete(topic, false, false, false)
	require.NoError(t, err)
	require.ErrorIs(t, p.Publish(topic, text("2")), processor.ErrUnroutable)
	require.NoError(t, p.Publish(topic, text("3")))
	require.Equal(t, "3", string(get(t, ch, topic).Body))
}

// While the broker is away a publish waits, and never returns a success.
func TestAPublishIsBounded(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	p := publisher(t, b, pubsub.DurableQueue(), pubsub.Timeout(time.Second))
	require.NoError(t, p.Publish("mail", text("1")))
	node.Stop(t)

	begun := time.Now()
	require.ErrorIs(t, p.Publish("mail", text("2")), context.DeadlineExceeded)
	require.Less(t, time.Since(begun), 5*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := text("3")
	ended.SetContext(ctx)
	patient := publisher(t, b, pubsub.DurableQueue())
	require.ErrorIs(t, patient.Publish("mail", ended), context.Canceled)
	require.ErrorIs(t, patient.Publish("mail", text("4"), ended), context.Canceled)
}

func TestMismatchNamesTheQueue(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	topic := name(t)
	require.NoError(t, subscriber(t, b, pubsub.DurableQueue()).SubscribeInitialize(topic))
	err := subscriber(t, b, pubsub.DurableQueue().Quorum()).SubscribeInitialize(topic)
	require.ErrorIs(t, err, broker.ErrMismatch)
	require.ErrorContains(t, err, topic)
}

// A retry layer publishes to queues that have a delay.
func TestAQueueWithOtherArgumentsCanBePublishedTo(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	topic := name(t)
	require.NoError(t, subscriber(t, b, pubsub.DurableQueue().Quorum()).SubscribeInitialize(topic))
	pub := publisher(t, b, pubsub.DurableQueue())
	require.NoError(t, pub.Publish(topic, text("1")))
	require.NoError(t, pub.Publish(topic, text("2"), text("3")))
	ready, err := b.Ready(t.Context(), topic)
	require.NoError(t, err)
	require.Equal(t, 3, ready)
}

// A queue that somebody else owns, such as a reply queue, could not be declared, and the error said
// to use what the error came from.
func TestAQueueOfOthersCanBePublishedTo(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	reply, err := ch.QueueDeclare("", false, true, true, false, nil) // amq.gen-..., exclusive
	require.NoError(t, err)
	require.Error(t, publisher(t, b, pubsub.DurableQueue()).Publish(reply.Name, message.NewMessage("1", nil)))
	p := publisher(t, b, pubsub.ExistingQueue())
	require.NoError(t, p.Publish(reply.Name, message.NewMessage("2", []byte("answer"))))
	require.Equal(t, "answer", string(get(t, ch, reply.Name).Body))
	require.ErrorIs(t, p.Publish(name(t), message.NewMessage("3", nil)), processor.ErrUnroutable)
}

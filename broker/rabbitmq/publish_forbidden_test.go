package rabbitmq_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A user id that is not ours would close the shared channel.
func TestAForeignUserIDLeavesTheOtherPublishesUnhurt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			e := text(fmt.Sprint(i))
			e.UserID = []string{"guest", "somebody"}[i%2]
			errs[i] = b.Publisher().Publish(within(t), to(queue), e)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 1 {
			require.ErrorIs(t, err, processor.ErrForbidden)
		} else {
			require.NoError(t, err)
		}
	}
}

// The broker closes the channel over it, once: all that waits there is in doubt. From then on
// Warren refuses it.
func TestWhatTheUserMayNotPublishIsForbidden(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := name(t)
	node.AddUser(t, user, "secret", "/")
	queue, mine, theirs, topics, inner := declareQueue(t, node.URL(), nil), name(t), name(t), name(t), name(t)
	require.NoError(t, open(t, node.URL()).Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: mine, Kind: broker.Fanout}, {Name: theirs, Kind: broker.Fanout},
			{Name: topics, Kind: broker.Topic}, {Name: inner, Kind: broker.Fanout, Internal: true},
		},
		Queues:   []broker.Queue{{Name: queue}},
		Bindings: []broker.Binding{{Exchange: mine, Queue: queue}, {Exchange: topics, Queue: queue, RoutingKey: "#"}},
	}))
	node.Permit(t, user, "/", ".*", "^("+mine+"|"+inner+"|"+topics+")$", ".*")
	node.PermitTopics(t, user, "/", topics, "^may$") // 4.3: only for one that exists
	told := &told{what: []byte("ACCESS_REFUSED")}
	b := open(t, node.URLFor(user, "secret", "/"), told.option())
	forbidden := []processor.Destination{
		{Exchange: theirs}, {RoutingKey: queue}, {Exchange: inner}, {Exchange: topics, RoutingKey: "may not"},
	}
	for i, to := range forbidden {
		err := b.Publisher().Publish(within(t), to, text("1"))
		require.ErrorIs(t, err, processor.ErrForbidden, "%v", to)
		require.ErrorIs(t, err, processor.ErrIndeterminate, "an earlier one may have been allowed")
		require.EqualValues(t, i+1, told.times.Load())
	}
	tos := make([]processor.Destination, 100)
	for i := range tos {
		tos[i] = []processor.Destination{{Exchange: mine}, {Exchange: topics, RoutingKey: "may"}}[i%2]
		if i%10 == 5 {
			tos[i] = forbidden[i/10%len(forbidden)]
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%10 == 5 {
			require.ErrorIs(t, err, processor.ErrForbidden)
		} else {
			require.NoError(t, err)
		}
	}
	require.EqualValues(t, len(forbidden), told.times.Load(), "no channel is closed again")
	ready(t, b, queue, 90)
}

// From 4.3 on the broker refuses the question whether an exchange exists to a user without any
// permission on it. Before, it closes the channel of the first message.
func TestAnExchangeThatTheUserMayNotSeeIsForbidden(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user, theirs := name(t), name(t)
	node.AddUser(t, user, "secret", "/")
	node.Permit(t, user, "/", "^$", "^$", "^$")
	require.NoError(t, open(t, node.URL()).Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: theirs, Kind: broker.Fanout}}}))
	b := open(t, node.URLFor(user, "secret", "/"))
	for range 3 {
		require.ErrorIs(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: theirs}, text("1")), processor.ErrForbidden)
	}
}

// After the permissions are corrected nothing needs a restart.
func TestWhatIsForbiddenIsTriedAgain(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user, queue := name(t), declareQueue(t, node.URL(), nil)
	node.AddUser(t, user, "secret", "/")
	node.Permit(t, user, "/", ".*", "^$", ".*")
	told, start := &told{what: []byte("ACCESS_REFUSED")}, time.Now()
	b := open(t, node.URLFor(user, "secret", "/"), told.option())
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("1")), processor.ErrForbidden)
	err := b.Publisher().Publish(within(t), to(queue), text("1"))
	require.ErrorIs(t, err, processor.ErrForbidden)
	require.NotErrorIs(t, err, processor.ErrIndeterminate, "it was not sent")
	node.Permit(t, user, "/", ".*", ".*", ".*")
	require.Eventually(t, func() bool {
		return b.Publisher().Publish(within(t), to(queue), text("1")) == nil
	}, patience, 10*time.Millisecond)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	require.LessOrEqual(t, told.times.Load(), 1+int64(time.Since(start)/(10*time.Second)), "once, and then every ten seconds")
}

// RabbitMQ closes the channel over it, if no client consumes direct replies.
func TestADirectReplyThatNobodyWaitsForIsForbidden(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	told := &told{what: []byte("fast reply consumer")}
	b, queue := open(t, url, told.option()), declareQueue(t, url, nil)
	e := text("1")
	e.ReplyTo = "amq.rabbitmq.reply-to"
	err := b.Publisher().Publish(within(t), to(queue), e)
	require.ErrorIs(t, err, processor.ErrForbidden)
	require.NotErrorIs(t, err, processor.ErrIndeterminate)
	require.Zero(t, told.times.Load())
	e.ReplyTo += ".token" // as requests have it when they arrive
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
}

// Each new place closes a channel, and the next one is opened only after a wait that grows.
func TestPublishingWhatIsForbiddenIsNotABusyLoop(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	inner := make([]broker.Exchange, 6) // and so 5 waits
	for i := range inner {
		inner[i] = broker.Exchange{Name: name(t), Kind: broker.Fanout, Internal: true}
	}
	require.NoError(t, b.Declare(within(t), broker.Topology{Exchanges: inner}))
	start := time.Now()
	for _, x := range inner {
		require.ErrorIs(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x.Name}, text("1")), processor.ErrForbidden)
	}
	require.GreaterOrEqual(t, time.Since(start), (50+100+200+400+800)/2*time.Millisecond, "less jitter")
}

// A request with a forged reply address ended the connection of whoever answered it, on RabbitMQ
// before 4.3.
func TestAMalformedReplyAddressEndsNoConnection(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch := open(t, url), raw(t, url)
	require.NoError(t, b.Publisher().Publish(within(t), to(declareQueue(t, url, nil)), text("1")))
	session, err := b.Publishing().Session(within(t))
	require.NoError(t, err)
	for _, key := range []string{
		"", "x", "x.y", "....", "g1h2AA9yZXBseUAAAAAAAA.x", "g1h2AA9yZXBseUAAAAAAAA==.x", "gw.x", "g2c.x", "g1g=.x", "g1h3/w==.x", "AAAA.x",
		"g1h3AWEAAAAAAAAAAAAAAAA=.x", "g1h3BnJlcGx5QAAAAAAAAAAAAAAAAA==.x", "g1h3B3JlcGx5QHgAAAAAAAAAAAAAAAA=.x", // of nodes that are none
	} {
		require.ErrorIs(t, b.Publisher().Publish(within(t), to("amq.rabbitmq.reply-to."+key), text("1")), processor.ErrUnroutable, key)
	}
	require.NoError(t, session.Err())

	replies, err := ch.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	require.NoError(t, err)
	queue := declareQueue(t, url, nil)
	require.NoError(t, ch.Publish("", queue, false, false, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to"}))
	request := receive(t, subscribe(t, b, queue, 1))
	_ = b.Publisher().Publish(within(t), to(request.Properties().ReplyTo), text("answer")) // some versions return it as well
	require.Equal(t, "answer", (<-replies).MessageId)
}

// RabbitMQ 3.10 closes the connection over the first, and later versions over none.
func TestAReplyToAnotherClusterClosesOneConnection(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	b, queue := open(t, url), declareQueue(t, url, nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	_ = b.Publisher().Publish(within(t), to(forgedReplyTo), text("lost in any case"))
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("2")))
	since := b.Publishing().State().Since
	for i := range 3 {
		err := b.Publisher().Publish(within(t), to(fmt.Sprint(forgedReplyTo, i)), text("another of that node"))
		require.NotErrorIs(t, err, processor.ErrIndeterminate)
	}
	require.Equal(t, since, b.Publishing().State().Since)
}

// A stream for which RabbitMQ closes the whole connection was found out anew by each try.
func TestWhatAStreamDoesNotTakeClosesOneConnection(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	stream := declareQueue(t, node.URL(), amqp.Table{"x-queue-type": "stream"})
	queue := declareQueue(t, node.URL(), nil)
	b := open(t, node.URL())
	e := text("1")
	e.Headers = processor.Headers{"price": processor.Decimal{Scale: 2, Value: 1999}}
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(stream), e), processor.ErrIndeterminate)
	require.NoError(t, b.Publisher().Publish(within(t), to(stream), text("2")))
	session, err := b.Publishing().Session(within(t))
	require.NoError(t, err)
	for range 3 {
		require.ErrorIs(t, b.Publisher().Publish(within(t), to(stream), e), processor.ErrRefused)
	}
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), e), "a queue takes it")
	require.NoError(t, session.Err())
}

// Each message that waited when the broker crashed counted as a crash, and the replies to a good node were
// refused for an hour.
func TestACrashWhileManyMessagesWaitIsOneCrash(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	stream := declareQueue(t, node.URL(), amqp.Table{"x-queue-type": "stream"})
	b := open(t, node.URL())
	e := text("1")
	e.Headers = processor.Headers{"price": processor.Decimal{Scale: 2, Value: 1999}}
	require.NoError(t, b.Publisher().Publish(within(t), to(stream), text("2")))
	var senders sync.WaitGroup
	for range 50 {
		senders.Go(func() { _ = b.Publisher().Publish(within(t), to(stream), e) })
	}
	senders.Wait()
	err := b.Publisher().Publish(within(t), to(stream), e)
	require.ErrorIs(t, err, processor.ErrRefused, "a second crash would be processor.ErrHeaderType")
}

// RabbitMQ from 4.0 on decodes what it stores in a stream, and crashes over each of these.
func TestWhatAStreamCannotDecodeClosesOneConnectionForEachKind(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	stream, queue := declareQueue(t, url, amqp.Table{"x-queue-type": "stream"}), declareQueue(t, url, nil)
	for what, e := range map[string]processor.Envelope{
		"properties":        {Headers: processor.Headers{"x-amqp-1.0-properties": "x"}},
		"application's":     {Headers: processor.Headers{"x-amqp-1.0-app-properties": "x"}},
		"annotations":       {Headers: processor.Headers{"x-amqp-1.0-message-annotations": "x"}},
		"footer":            {Headers: processor.Headers{"x-amqp-1.0-footer": "\x00"}},
		"filter: a zero":    {Headers: processor.Headers{"x-stream-filter-value": "a\x00"}},
		"filter: a list":    {Headers: processor.Headers{"x-stream-filter-value": []any{"a"}}},
		"a decimal, inside": {Headers: processor.Headers{"x-price": processor.Headers{"eur": processor.Decimal{Scale: 2, Value: 5}}}},
		"a type":            {Properties: processor.Properties{Type: "amqp-1.0"}},
		"a reply-to":        {Properties: processor.Properties{ReplyTo: "\xff"}},
	} {
		b := open(t, url)
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), e), "%s: a queue takes it", what)
		if b.Publisher().Publish(within(t), to(stream), e) == nil {
			continue // this version takes it
		}
		require.NoError(t, b.Publisher().Publish(within(t), to(stream), text("2")), what)
		since := b.Publishing().State().Since
		require.ErrorIs(t, b.Publisher().Publish(within(t), to(stream), e), processor.ErrRefused, what)
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), e), what)
		require.Equal(t, since, b.Publishing().State().Since, what)
	}
}

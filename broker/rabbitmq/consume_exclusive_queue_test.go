package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// fleeting is a queue that is deleted automatically, bound to an exchange that is too.
func fleeting(tb testing.TB, q broker.Queue) broker.Topology {
	tb.Helper()
	q.Name, q.MaxLength = name(tb), 100
	x := broker.Exchange{Name: q.Name + ".x", Kind: broker.Topic, AutoDelete: true, Transient: true}
	return broker.Topology{
		Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{q},
		Bindings: []broker.Binding{{Exchange: x.Name, Queue: q.Name, RoutingKey: "a.*"}, {Exchange: x.Name, Queue: q.Name, RoutingKey: "*.b"}},
	}
}

// A message published while the queue is away is unroutable, and reported so.
func TestAQueueThatGoesAwayByItselfComesBackWithAllThatBelongsToIt(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	for name, q := range map[string]broker.Queue{
		"exclusive":                 {Exclusive: true, Transient: true},
		"auto-delete":               {AutoDelete: true, Transient: true},
		"exclusive and auto-delete": {AutoDelete: true, Exclusive: true, Transient: true},
	} {
		for loss, harm := range map[string]func(*pair){
			"connection": (*pair).cut,
			"channel":    (*pair).cancel,
			// The node holds on to the old connection until its heartbeats fail.
			"connection half lost": func(p *pair) { p.forgotten.Store(true); _ = p.client.Close() },
		} {
			t.Run(name+", "+loss, func(t *testing.T) {
				t.Parallel()
				l, log := newLink(t, node.URL()), &records{}
				b := open(t, node.URL(), l.option(), rabbitmq.Logger(slog.New(log)))
				topology := fleeting(t, q)
				require.NoError(t, b.Declare(within(t), topology))
				r := reader{subscribe(t, b, topology.Queues[0].Name, 5), open(t, node.URL()).Publisher(), topology.Exchanges[0].Name}
				r.reads(t)
				require.Equal(t, 1, l.consuming(harm))
				require.Eventually(t, func() bool { return l.consumes.Load() == 2 }, patience, time.Millisecond)
				r.reads(t)
				if q.Exclusive && loss == "connection half lost" {
					require.Positive(t, log.count("consuming channel not opened, trying again"), "it was still locked")
				}
				require.Contains(t, node.Eval(t, `[{Q, A} || [{name, {_, _, _, Q}}, {arguments, A}] <- rabbit_amqqueue:info_all(<<"/">>, [name, arguments])]`),
					fmt.Sprintf(`{<<%q>>,[{<<"x-max-length">>,long,100}`, topology.Queues[0].Name), "the type may follow")
			})
		}
	}
}

// reader is an exchange with a queue that is consumed.
type reader struct {
	broker.Subscription
	outside  processor.Publisher
	exchange string
}

// reads checks that both bindings are there, and no other.
func (r reader) reads(t *testing.T) {
	t.Helper()
	for _, key := range []string{"a.x", "x.b"} {
		r.publish(t, key)
		for came := ""; came != key; {
			msg := receive(t, r)
			came = msg.Properties().ID
			require.NoError(t, msg.Ack())
			require.True(t, came == key || msg.Origin().Redelivered, "only one whose ack was lost with its channel comes before")
		}
	}
	err := r.outside.Publish(within(t), processor.Destination{Exchange: r.exchange, RoutingKey: "none"}, text("none"))
	require.ErrorIs(t, err, processor.ErrUnroutable)
}

// publish publishes until the queue exists. A message that does not arrive is reported: if the
// exchange has just been deleted its outcome is unknown, since its channel is closed.
func (r reader) publish(t *testing.T, key string) {
	t.Helper()
	var unexpected error
	require.Eventually(t, func() bool {
		err := r.outside.Publish(within(t), processor.Destination{Exchange: r.exchange, RoutingKey: key}, text(key))
		if err != nil && !errors.Is(err, processor.ErrUnroutable) && !errors.Is(err, processor.ErrIndeterminate) {
			unexpected = err
		}
		return err == nil
	}, patience, 5*time.Millisecond)
	require.NoError(t, unexpected)
}

// Queues and exchanges of a lost connection take a moment to go. They may do so right after the
// next channel has found them: that passes, and must not end the subscription.
func TestWhatVanishesWhileItIsDeclaredIsDeclaredOnceMore(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	for name, row := range map[string]struct {
		before []byte // the frame that comes too late
		remove func(ch *amqp.Channel, t broker.Topology) error
	}{
		"exchange before the binding": {queueBind, func(ch *amqp.Channel, t broker.Topology) error {
			return ch.ExchangeDelete(t.Exchanges[0].Name, false, false)
		}},
		"queue before the binding":    {queueBind, removeQueue},
		"queue before it is consumed": {basicConsume, removeQueue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLink(t, url)
			b := open(t, url, l.option())
			topology := fleeting(t, broker.Queue{AutoDelete: true, Transient: true})
			require.NoError(t, b.Declare(within(t), topology))
			r := reader{subscribe(t, b, topology.Queues[0].Name, 5), open(t, url).Publisher(), topology.Exchanges[0].Name}
			r.reads(t)

			outsider := raw(t, url)
			var once sync.Once
			removed := make(chan error, 1)
			remove := func(frame []byte) {
				if isMethod(frame, row.before) {
					once.Do(func() { removed <- row.remove(outsider, topology) })
				}
			}
			l.before.Store(&remove)
			require.Equal(t, 1, l.consuming((*pair).cut))
			require.NoError(t, <-removed)
			r.reads(t)
		})
	}
}

func removeQueue(ch *amqp.Channel, t broker.Topology) error {
	_, err := ch.QueueDelete(t.Queues[0].Name, false, false, false)
	return err
}

var queueBind = []byte{0, 50, 0, 20}

// The caller only learned that the time was over.
func TestSubscribingInVainSaysWhy(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	queue := name(t)
	_, err := raw(t, url).QueueDeclare(queue, false, false, true, false, nil)
	require.NoError(t, err)
	_, err = open(t, url).Source(queue).Subscribe(withinTime(t, time.Second), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var refusal *amqp.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, amqp.ResourceLocked, refusal.Code)
}

package respond_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Why respond confirms its results and then acks, and offers no AMQP transaction of both as
// gocept.amqprun had: RabbitMQ takes the ack of a transaction also where it does not take the
// results. These are RabbitMQ's behaviour, seen by the client alone.
func TestAnAMQPTransactionAcksAlthoughItsResultIsLost(t *testing.T) {
	t.Parallel()
	full := amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"}
	rows := map[string]struct {
		declare func(*testing.T, *amqp.Channel, string) // of the queue of results
		commit  string                                  // the error; "" is none
	}{
		"no queue takes the result": {func(*testing.T, *amqp.Channel, string) {}, ""},
		"the queue is full": {func(t *testing.T, ch *amqp.Channel, queue string) {
			_, err := ch.QueueDeclare(queue, true, false, false, false, full)
			require.NoError(t, err)
			require.NoError(t, ch.Publish("", queue, false, false, amqp.Publishing{Body: []byte("there before")}))
		}, "partial tx completion"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			work, results := "transaction.work."+t.Name(), "transaction.results."+t.Name()
			ch := rawChannel(t)
			_, err := ch.QueueDeclare(work, true, false, false, false, nil)
			require.NoError(t, err)
			row.declare(t, ch, results)
			require.NoError(t, ch.Publish("", work, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("work")}))

			require.NoError(t, ch.Tx())
			var incoming amqp.Delivery
			require.Eventually(t, func() bool {
				var there bool
				incoming, there, err = ch.Get(work, false)
				return err == nil && there
			}, 10*time.Second, 10*time.Millisecond)
			require.NoError(t, ch.Publish("", results, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("result")}))
			require.NoError(t, incoming.Ack(false))
			require.Equal(t, "1", messages(t, work), "acked, and not committed")
			if err := ch.TxCommit(); row.commit == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.commit)
			}

			require.Equal(t, "0", messages(t, work), "the message is gone, though its result is nowhere")
		})
	}
}

func rawChannel(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(rabbitmqtest.Shared(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// messages counts those of a queue, also the unacked.
func messages(t *testing.T, queue string) string {
	t.Helper()
	return rabbitmqtest.Shared(t).Eval(t, `
		{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)),
		[{messages, N}] = rabbit_amqqueue:info(Q, [messages]), N`, queue)
}

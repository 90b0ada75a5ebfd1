package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/xdeath"
)

// The broker dead-letters a message in rounds between the work queue and one where it waits, and
// counts in x-death; xdeath ends it.
func TestTheRoundsOfABrokerEnd(t *testing.T) {
	t.Parallel()
	for kind, args := range map[string]amqp.Table{"classic": {}, "quorum": {"x-queue-type": "quorum"}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Shared(t)
			b := open(t, node.URL())
			parked, wait := declareQueue(t, node.URL(), nil), name(t)
			args["x-dead-letter-exchange"], args["x-dead-letter-routing-key"] = "", wait
			work := declareQueue(t, node.URL(), args)
			_, err := raw(t, node.URL()).QueueDeclare(wait, true, false, false, false, amqp.Table{
				"x-message-ttl": int32(50), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work,
			})
			require.NoError(t, err)

			var calls atomic.Int64
			p, err := stack.New(
				ack.New(),
				xdeath.New(xdeath.MaxCount(3), xdeath.Park(b.Publisher(), to(parked))),
				recovery.New(),
			).ThenFunc(func(context.Context, processor.Message) error {
				calls.Add(1)
				return errors.New("mail server says no")
			})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- must.Have(consumer.New(b.Source(work), p, consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
			}()
			require.NoError(t, b.Publisher().Publish(within(t), to(work), text("round")))

			msg := receive(t, subscribe(t, b, parked, 1))
			require.Equal(t, "round", string(msg.Body()))
			require.Equal(t, int64(4), calls.Load(), "a first time and three rounds")
			reason, _ := msg.Headers().String("warren-error")
			require.Contains(t, reason, "mail server says no")
			require.NoError(t, msg.Ack())
			cancel()
			require.NoError(t, <-done)
			ready(t, b, work, 0)
			ready(t, b, wait, 0)
		})
	}
}

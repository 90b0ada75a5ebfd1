package rabbitmq_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// Of 300 messages, 33 came after a later one: messages that a consumer released one by one when it
// was stopped or paused went to the tail of the queue.
func TestOneKeyStaysInOrderThroughRestartsAndPauses(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	for name, args := range map[string]amqp.Table{
		"classic":               nil,
		"quorum":                {"x-queue-type": "quorum"},
		"quorum, with a limit":  {"x-queue-type": "quorum", "x-delivery-limit": 1000},
		"single active, quorum": {"x-queue-type": "quorum", "x-single-active-consumer": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 300
			b := open(t, node.URL())
			queue := declareQueue(t, node.URL(), args)
			for i := range n {
				require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(strconv.Itoa(i))))
			}
			var done []int
			for run := 0; len(done) < n; run++ {
				for _, got := range restless(t, b, queue, run, n-1) {
					require.Len(t, done, got, "run %d", run)
					done = append(done, got)
				}
			}
			ready(t, b, queue, 0)
		})
	}
}

// restless is a run of eight workers that is paused after 10 messages, and again after 20, and ends
// after 30, or after the last. It returns what was done. Every third run has no time to drain:
// messages that wait for their turn are cut short.
func restless(t *testing.T, b *rabbitmq.Broker, queue string, run, last int) (done []int) {
	t.Helper()
	h := &helm{runs: make(chan stack.Run, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drain := 10 * time.Second
	if run%3 == 2 {
		drain = 0
	}
	var r stack.Run
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New()).ThenFunc(func(ctx context.Context, msg processor.Message) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r == nil {
			r = <-h.runs
		}
		i, err := strconv.Atoi(string(msg.Body()))
		done = append(done, i)
		switch {
		case i == last || len(done) == 30:
			cancel()
		case len(done)%10 == 0:
			r.Pause()()
		}
		return err
	})
	require.NoError(t, err)
	require.NoError(t, must.Have(consumer.New(b.Source(queue), p, consumer.Workers(8), consumer.OrderBy(key.RoutingKey), consumer.DrainTimeout(drain),
		consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx))
	return done
}

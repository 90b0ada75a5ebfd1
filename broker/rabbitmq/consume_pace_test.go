package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// 32 workers lost five messages of five in 0.8 s: each was requeued to the next free one.
func TestADownstreamThatIsDownForFiveSecondsLosesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	for title, workers := range map[string]int{"8 workers": 8, "32 workers": 32} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			q := broker.Queue{Name: name(t), Type: broker.Quorum, DeliveryLimit: 20}
			require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
			publishNumbers(t, b, q.Name, 5)
			up, done := time.Now().Add(5*time.Second), make(chan string, 5)
			p, err := stack.New(ack.New(ack.RequeueOnError())).ThenFunc(func(_ context.Context, msg processor.Message) error {
				if time.Now().Before(up) {
					return errors.New("the downstream is down")
				}
				done <- string(msg.Body())
				return nil
			})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			c := must.Have(consumer.New(b.Source(q.Name), p, consumer.Workers(workers), consumer.Logger(slog.New(slog.DiscardHandler))))
			go func() { ended <- c.Run(ctx) }()
			var all []string
			for range 5 {
				select {
				case id := <-done:
					all = append(all, id)
				case <-within(t).Done():
					t.Fatal("it is lost")
				}
			}
			require.ElementsMatch(t, []string{"0", "1", "2", "3", "4"}, all)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}

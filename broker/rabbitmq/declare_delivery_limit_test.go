package rabbitmq_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/retry"
)

// crash takes the first message of a queue and loses the channel, like a killed worker, until none
// comes for a while, at most n times. It returns how often one came.
func crash(t *testing.T, url, queue string, n int) int {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	for i := range n {
		ch, err := conn.Channel()
		require.NoError(t, err)
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		require.NoError(t, err)
		select {
		case _, ok := <-deliveries:
			require.True(t, ok)
			require.NoError(t, ch.Close())
		case <-time.After(2 * time.Second):
			require.NoError(t, ch.Close())
			return i
		}
	}
	return n
}

// A message that kills its worker each time is parked by the broker, and stays there however often
// it is fetched. Without a parked queue, it stays in its queue. Before, both were lost on RabbitMQ
// 4 after 21 deliveries.
func TestNothingIsLostAtTheDeliveryLimitOfATopology(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	const limit = 3
	for name, topology := range map[string]func(work broker.Queue, parked string) (broker.Topology, error){
		"retry": func(work broker.Queue, parked string) (broker.Topology, error) {
			return retry.Topology(work, work.Name+"_retry_%attempt%", retry.Delays(time.Minute), retry.ParkKey(parked))
		},
		"backoff": func(work broker.Queue, parked string) (broker.Topology, error) {
			opts := []backoff.Option{backoff.Jitter(0)}
			if parked != "" {
				opts = append(opts, backoff.Park(to(parked)))
			}
			return backoff.Topology(work, opts...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, url)
			work := broker.Queue{Name: strings.ReplaceAll(nameOf(t), "/", "-"), Type: broker.Quorum, DeliveryLimit: limit}
			parked := work.Name + "_parked"
			plan, err := topology(work, parked)
			require.NoError(t, err)
			require.NoError(t, b.Declare(within(t), plan))
			report, err := verify.Topology(within(t), b, plan)
			require.NoError(t, err)
			require.Empty(t, report.Findings)

			require.NoError(t, b.Publisher().Publish(within(t), to(work.Name), text("kills")))
			require.Equal(t, limit+1, crash(t, url, work.Name, 30))
			ready(t, b, parked, 1)
			require.Equal(t, 25, crash(t, url, parked, 25), "RabbitMQ 4 would have dropped it after 20, and 4.3 at once: it keeps the count")
			ready(t, b, parked, 1)
			msg := receive(t, subscribe(t, b, parked, 1))
			require.Equal(t, []byte("kills"), msg.Body())
			require.Equal(t, "delivery_limit", msg.Headers()["x-first-death-reason"])
			require.NoError(t, msg.Ack())

			nowhere := broker.Queue{Name: work.Name + "_nowhere", Type: broker.Quorum}
			plan, err = topology(nowhere, "")
			require.NoError(t, err)
			require.NoError(t, b.Declare(within(t), plan))
			require.NoError(t, b.Publisher().Publish(within(t), to(nowhere.Name), text("kills")))
			require.Equal(t, 25, crash(t, url, nowhere.Name, 25))
			ready(t, b, nowhere.Name, 1)
		})
	}
}

func queues(list ...broker.Queue) broker.Topology { return broker.Topology{Queues: list} }

func nameOf(t *testing.T) string { t.Helper(); return name(t) }

// In a loop a message at the delivery limit is lost on every version; a rejected one makes its
// rounds; and nothing is lost with the recommended limit.
func TestALoopLosesWhatDiesOfTheDeliveryLimit(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	for kind, delay := range map[string]broker.Queue{
		"classic": {}, "quorum": {Type: broker.Quorum},
		"held": {Type: broker.Quorum, Overflow: broker.RejectPublish, Arguments: processor.Headers{"x-dead-letter-strategy": "at-least-once"}},
	} {
		for limit, lost := range map[int]bool{2: true, broker.HighDeliveryLimit: false} {
			t.Run(kind+map[bool]string{true: ", lost"}[lost], func(t *testing.T) {
				t.Parallel()
				var log warnings
				b := open(t, url, log.option())
				queue := nameOf(t)
				delay.Name, delay.MessageTTL, delay.DeadLetter = queue+"_wait", 50*time.Millisecond, &broker.DeadLetter{RoutingKey: queue}
				plan := queues(delay, broker.Queue{Name: queue, Type: broker.Quorum, DeliveryLimit: limit, DeadLetter: &broker.DeadLetter{RoutingKey: delay.Name}})
				require.NoError(t, b.Declare(within(t), plan))
				report, err := verify.Topology(within(t), b, plan)
				require.NoError(t, err)

				require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("round")))
				rounds := raw(t, url)
				for range 3 {
					var d amqp.Delivery
					require.Eventually(t, func() bool {
						var ok bool
						d, ok, err = rounds.Get(queue, false)
						return err == nil && ok
					}, patience, 10*time.Millisecond)
					require.NoError(t, d.Reject(false))
				}
				ready(t, b, queue, 1) // a rejected message makes its rounds
				d, _, err := rounds.Get(queue, true)
				require.NoError(t, err)
				require.Equal(t, []byte("round"), d.Body)

				// One that was rejected before is lost on RabbitMQ 4, and not on 3.10. This one was not.
				require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("kills")))
				if !lost {
					require.Equal(t, 25, crash(t, url, queue, 25))
					ready(t, b, queue, 1)
					require.Empty(t, report.Findings)
					require.Empty(t, log.String())
					return
				}
				require.Equal(t, limit+1, crash(t, url, queue, 25))
				ready(t, b, queue, 0)
				require.Len(t, report.Findings, 1)
				require.Equal(t, verify.DeadLetterLoop, report.Findings[0].Kind)
				require.Equal(t, queue, report.Findings[0].Queue)
				require.Contains(t, report.Findings[0].Problem, "(delivery limit 2) -> ")
				require.ErrorIs(t, report.Err(), verify.ErrNotAsPlanned)
				require.Equal(t, 1, strings.Count(log.String(), "dead letters lead back to their queue"))
			})
		}
	}
}

// A quorum queue without a declared limit loses messages from RabbitMQ 4.0 on: 20 returns. 3.10 has
// no limit, and drops at the first return if the limit is -1.
func TestWhatIsLostByDefaultIsSaid(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	four := rabbitmqtest.Version(t).AtLeast(4, 0)
	var log warnings
	b := open(t, url, log.option())
	queue := nameOf(t)
	plan := queues(
		broker.Queue{Name: queue, Type: broker.Quorum},
		broker.Queue{Name: queue + "_none", Type: broker.Quorum, Arguments: processor.Headers{"x-delivery-limit": -1}},
		broker.Queue{Name: queue + "_high", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
		broker.Queue{Name: queue + "_kept", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: queue + "_high"}},
		broker.Queue{Name: queue + "_classic", Type: broker.Classic},
	)
	require.NoError(t, b.Declare(within(t), plan))
	report, err := verify.Topology(within(t), b, plan)
	require.NoError(t, err)
	problem, deliveries := "its delivery limit is 20, the broker's default; it then drops them", 21
	if !four {
		queue += "_none"
		problem, deliveries = "its delivery limit is -1, which RabbitMQ before 4.0 takes for 0; it then drops them", 1
	}
	require.Len(t, report.Findings, 1)
	found := report.Findings[0]
	found.Change = ""
	require.Equal(t, verify.Finding{Kind: verify.DeliveryLimit, Severity: verify.Fault, Queue: queue, Problem: problem}, found)
	require.Equal(t, 1, strings.Count(log.String(), "has nowhere to go"), log.String())
	require.Contains(t, log.String(), "queue="+queue+" ")

	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("lost")))
	require.Equal(t, deliveries, crash(t, url, queue, 30))
	ready(t, b, queue, 0)
}

// warnings are a broker's log records at level warn or above.
type warnings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *warnings) option() rabbitmq.Option {
	return rabbitmq.Logger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

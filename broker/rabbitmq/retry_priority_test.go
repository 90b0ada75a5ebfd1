package rabbitmq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/retry"
)

const urgentWait = 500 * time.Millisecond

// From 4.0 to before 4.3 a quorum queue delivers two urgent messages for one normal one, and checks
// the TTL of the next message only: of 100 normal retries 6 came back in time.
func TestUrgentRetriesDoNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	for kind, retries := range map[string]func(*testing.T, *rabbitmq.Broker, broker.Queue, string) (broker.Topology, processor.Middleware){
		"retry": func(t *testing.T, b *rabbitmq.Broker, work broker.Queue, parked string) (broker.Topology, processor.Middleware) {
			t.Helper()
			opts := []retry.Option{retry.Retries(1), retry.Delays(urgentWait), retry.ParkKey(parked)}
			top, err := retry.Topology(work, "wait-%attempt%", opts...)
			require.NoError(t, err)
			return top, retry.New(b.Publisher(), "wait-%attempt%", opts...)
		},
		"ladder": func(t *testing.T, b *rabbitmq.Broker, work broker.Queue, parked string) (broker.Topology, processor.Middleware) {
			t.Helper()
			opts := []backoff.Option{
				backoff.Schedule(backoff.Fixed(urgentWait)),
				backoff.Retries(1), backoff.Strategy(delay.Ladder()), backoff.Park(to(parked)),
			}
			top, err := backoff.Topology(work, opts...)
			require.NoError(t, err)
			return top, backoff.New(b.Publisher(), work.Name, opts...)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			node, work, parked := rabbitmqtest.Shared(t), broker.Queue{Name: "work", Type: broker.Quorum}, "parked"
			vhost := strings.ReplaceAll(name(t), "/", "-")
			node.AddVhost(t, vhost)
			b := open(t, node.URLFor("guest", "guest", vhost))
			top, middleware := retries(t, b, work, parked)
			require.NoError(t, b.Declare(within(t), top))
			pipeline, err := stack.New(ack.New(), middleware).
				ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
			require.NoError(t, err)
			fails := func(ctx context.Context, id string, priority uint8) error {
				return pipeline.Process(ctx, processortest.NewMessage(
					processortest.Properties(processor.Properties{ID: id, Priority: priority}),
					processortest.Origin(processor.Origin{Queue: work.Name, RoutingKey: work.Name}),
				))
			}

			const normal = 50
			for range normal {
				require.NoError(t, fails(within(t), "normal", 0))
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for tick := time.NewTicker(urgentWait * 4 / 5); ctx.Err() == nil; {
					_ = fails(ctx, "urgent", 9)
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
				}
			}()
			defer func() { cancel(); <-ended }()
			sub := subscribe(t, b, work.Name, 100)
			start := time.Now()
			var last processor.Message
			for back := 0; back < normal || last == nil; {
				msg := receive(t, sub)
				if msg.Properties().ID == "urgent" {
					require.EqualValues(t, 9, msg.Properties().Priority, "it has its priority again")
					last = msg
					continue
				}
				require.Zero(t, msg.Properties().Priority)
				require.NoError(t, msg.Ack())
				back++
			}
			took := time.Since(start)
			t.Logf("%d in %v", normal, took)
			require.Less(t, took, normal*urgentWait/2, "two urgent ones for each")
			cancel()
			<-ended

			require.NoError(t, pipeline.Process(within(t), last), "its retries are used up")
			final := receive(t, subscribe(t, b, parked, 1))
			require.EqualValues(t, 9, final.Properties().Priority)
			require.NotContains(t, final.Headers(), "warren-original-priority")
		})
	}
}

// PHP's clients write a priority of 0 into every message. In a quorum queue of RabbitMQ 4.3 a message
// without a priority comes before these, so a copy that lost the 0 would overtake all of them.
func TestACopyKeepsWhetherItsPriorityIs0(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	for name, zero := range map[string]bool{"zero": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, node.URL())
			work, parked := rig.Name(t)+"-work", rig.Name(t)+"-parked"
			pattern, opts := work+"-wait-%attempt%", []retry.Option{retry.Retries(1), retry.Delays(time.Millisecond), retry.ParkKey(parked)}
			top, err := retry.Topology(broker.Queue{Name: work, Type: broker.Quorum}, pattern, opts...)
			require.NoError(t, err)
			require.NoError(t, b.Declare(within(t), top))
			pipeline, err := stack.New(ack.New(), retry.New(b.Publisher(), pattern, opts...)).
				ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
			require.NoError(t, err)
			send := func(id string) {
				e := text(id)
				e.PriorityZero = zero
				require.NoError(t, b.Publisher().Publish(within(t), to(work), e))
			}

			send("first")
			sub := subscribe(t, b, work, 1)
			first := receive(t, sub)
			send("second")
			require.NoError(t, pipeline.Process(within(t), first))
			require.NoError(t, sub.Close(within(t)))
			ready(t, b, work, 2)
			sub = subscribe(t, b, work, 1)
			for _, id := range []string{"second", "first"} {
				msg := receive(t, sub)
				require.Equal(t, id, msg.Properties().ID, "a copy does not overtake")
				require.Equal(t, zero, msg.Properties().PriorityZero)
				if id == "second" {
					require.NoError(t, msg.Ack())
					continue
				}
				require.NoError(t, pipeline.Process(within(t), msg))
			}
			require.Equal(t, zero, receive(t, subscribe(t, b, parked, 1)).Properties().PriorityZero)
		})
	}
}

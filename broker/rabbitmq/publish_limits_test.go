package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// The largest accepted message arrives unchanged, and can be sent again. A larger one would end the
// connection: of the publisher, or of each consumer in turn.
func TestWhatIsAtALimitArrives(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	all := processor.Properties{
		ID: "id", CorrelationID: "c", ReplyTo: "r", Type: "t", AppID: "a", UserID: "guest", ContentType: "text/plain",
		ContentEncoding: "gzip", Expiration: time.Hour, Timestamp: time.Unix(1, 0).UTC(), Priority: 9,
	}
	sub := subscribe(t, b, queue, 1)
	for name, e := range map[string]processor.Envelope{
		"bare":            fill(processor.Envelope{}, broker.FitsFrame),
		"with properties": fill(processor.Envelope{Properties: all}, broker.FitsFrame),
		"with a table":    fill(processor.Envelope{Headers: processor.Headers{"t": processor.Headers{"l": []any{int64(1), nil, 1.5}}}}, broker.FitsFrame),
		"entries":         {Headers: many(8192)},
		"a long list":     {Headers: processor.Headers{"l": make([]any, 8192)}},
		"nested":          {Headers: processor.Headers{"n": levels(32)}},
	} {
		for range 2 {
			require.NoError(t, b.Publisher().Publish(within(t), to(queue), e), name)
			msg := receive(t, sub)
			require.Equal(t, e.Headers, msg.Headers(), name)
			require.Equal(t, e.Properties, msg.Properties(), name)
			require.False(t, msg.Origin().Redelivered, name)
			require.NoError(t, msg.Ack())
			e.Headers = msg.Headers()
		}
	}
	for name, h := range map[string]processor.Headers{
		"bytes": {"h": strings.Repeat("b", 128<<10)}, "entries": many(8193),
		"a long list": {"l": make([]any, 8193)}, "nested": {"n": levels(33)},
	} {
		require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), processor.Envelope{Headers: h}), processor.ErrTooLarge, name)
	}
}

// fill returns e with a header that makes it as large as check lets it be in a frame.
func fill(e processor.Envelope, check func(processor.Envelope, int) error) processor.Envelope {
	with := func(n int) processor.Envelope {
		filled := e
		filled.Headers = e.Headers.Clone()
		filled.Headers["fill"] = strings.Repeat("f", n)
		return filled
	}
	const frame = 128 << 10
	return with(sort.Search(frame, func(n int) bool { return check(with(n+1), frame) != nil }))
}

func many(n int) processor.Headers {
	h := processor.Headers{}
	for i := range n {
		h[fmt.Sprint(i)] = nil
	}
	return h
}

func levels(n int) any {
	var v any = "core"
	for range n {
		v = []any{v}
	}
	return v
}

// A copy grows in the broker on its way through the retry queue, and in a quorum queue again when
// it is requeued.
func TestTheLargestRetryComesBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			log := &records{}
			b := open(t, rabbitmqtest.Shared(t).URL(), rabbitmq.Logger(slog.New(log)))
			long := func() string { return (name(t) + strings.Repeat("w", 255))[:255] }
			work, parked := broker.Queue{Name: long(), Type: kind}, name(t)
			wait := broker.Queue{
				Name: "w" + long()[1:], Type: kind, MessageTTL: 20 * time.Millisecond,
				DeadLetter: &broker.DeadLetter{RoutingKey: work.Name},
			}
			require.NotEqual(t, work.Name, wait.Name)
			require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{work, wait, {Name: parked}}}))
			run := func(p processor.Publisher, msg processor.Message) error {
				pipeline, err := stack.New(ack.New(), retry.New(p, wait.Name, retry.Retries(1), retry.ParkKey(parked))).
					ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
				require.NoError(t, err)
				return pipeline.Process(within(t), msg)
			}
			most := fill(processor.Envelope{}, func(e processor.Envelope, _ int) error {
				none := processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error { return nil })
				return run(none, processortest.NewMessage(
					processortest.Header("fill", e.Headers["fill"]), processortest.Properties(e.Properties),
					processortest.Origin(processor.Origin{Queue: work.Name, RoutingKey: work.Name}),
				))
			})

			require.NoError(t, b.Publisher().Publish(within(t), to(work.Name), most))
			sub := subscribe(t, b, work.Name, 1)
			require.NoError(t, run(b.Publisher(), receive(t, sub)))
			msg := receive(t, sub)
			require.Contains(t, msg.Headers(), "x-death")
			require.NoError(t, msg.Nack(true))
			msg = receive(t, sub)
			_, counted := msg.Headers()["x-delivery-count"]
			require.Equal(t, kind == broker.Quorum, counted)
			require.NoError(t, run(b.Publisher(), msg))
			ready(t, b, parked, 1)

			text, _ := most.Headers.String("fill")
			most.Headers["fill"] = text + "f"
			require.NoError(t, b.Publisher().Publish(within(t), to(work.Name), most))
			require.ErrorIs(t, run(b.Publisher(), receive(t, sub)), processor.ErrTooLarge)
			ready(t, b, parked, 2)
			require.Zero(t, log.count("consuming channel lost"))
		})
	}
}

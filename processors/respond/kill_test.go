package respond_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/respond"
)

const (
	// childTask is the environment variable with the task of a child.
	childTask = "RESPOND_TEST_CHILD"
	// died is the exit code of a child that ends at its point.
	died = 3
)

func TestMain(m *testing.M) {
	if encoded := os.Getenv(childTask); encoded != "" {
		os.Exit(child(encoded))
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// task is a worker that sends two results for each message, and where it dies: as if it was killed,
// nothing is closed or flushed.
type task struct {
	URL, Work, Sink string
	Derived         bool
	Die             string // "handled", "one result", "results", "acked"; never if it is ""
	After           int64  // so many messages
	reached         atomic.Int64
}

// points are where something is between two systems.
var points = []string{"handled", "one result", "results", "acked"}

func child(encoded string) int {
	var c task
	err := json.Unmarshal([]byte(encoded), &c) //nolint:musttag // written by the same type
	if err == nil {
		var b *rabbitmq.Broker
		if b, err = rabbitmq.Open(context.Background(), []string{c.URL}, rabbitmq.Logger(slog.New(slog.DiscardHandler))); err == nil {
			err = c.work(context.Background(), b)
		}
	}
	_, _ = fmt.Fprintln(os.Stderr, "the child has ended:", err)
	return 1
}

func (c *task) at(point string) {
	if c.Die == point && c.reached.Add(1) > c.After {
		os.Exit(died)
	}
}

// work runs the worker until ctx ends.
func (c *task) work(ctx context.Context, b *rabbitmq.Broker) error {
	opts := []respond.Option{respond.Logger(slog.New(slog.DiscardHandler))}
	if c.Derived {
		opts = append(opts, respond.DerivedIDs("test"))
	}
	outermost := func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			err := next.Process(ctx, msg)
			c.at("acked")
			return err
		})
	}
	results := func(_ context.Context, msg processor.Message) ([]respond.Result, error) {
		defer c.at("handled")
		to := processor.Destination{RoutingKey: c.Sink}
		return []respond.Result{
			{To: to, Envelope: processor.Envelope{Body: append([]byte("a"), msg.Body()...)}},
			{To: to, Envelope: processor.Envelope{Body: append([]byte("b"), msg.Body()...)}},
		}, nil
	}
	pipeline, err := stack.New(outermost, ack.New(), respond.New(&mortal{b.Publisher(), c}, opts...), recovery.New()).
		Then(respond.Handler(results))
	if err != nil {
		return err
	}
	run, err := consumer.New(b.Source(c.Work), pipeline, consumer.Workers(4), consumer.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	return run.Run(ctx)
}

// mortal is the publisher of a worker that may die between two results, and behind them.
type mortal struct {
	processor.Publisher

	task *task
}

func (m *mortal) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	if m.task.Die == "one result" {
		errs := processor.PublishBatch(ctx, m.Publisher, to, batch[:1])
		m.task.at("one result")
		return append(errs, processor.PublishBatch(ctx, m.Publisher, to, batch[1:])...)
	}
	errs := processor.PublishBatch(ctx, m.Publisher, to, batch)
	m.task.at("results")
	return errs
}

// dies runs the worker in a process of its own, which has to die at its point.
func (c *task) dies(t *testing.T) {
	t.Helper()
	encoded, err := json.Marshal(c) //nolint:musttag // read by the same type
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+string(encoded))
	cmd.Stderr = io.Discard
	err = cmd.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, c.Die)
	require.Equal(t, died, exit.ExitCode(), c.Die)
}

// The worker dies at each point, again and again. Every result arrives. With ids that are derived, an
// inbox downstream sees each once.
func TestNoResultIsLostWhereverTheWorkerDies(t *testing.T) {
	t.Parallel()
	const messages = 60
	for name, derived := range map[string]bool{"derived ids": true, "random ids": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := rabbitmqtest.Shared(t).URL()
			b, err := rabbitmq.Open(t.Context(), []string{url}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
			c := &task{URL: url, Work: t.Name() + "-work", Sink: t.Name() + "-sink", Derived: derived, After: 3}
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
				{Name: c.Work, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, {Name: c.Sink},
			}}))
			for i := range messages {
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: c.Work}, processor.Envelope{
					Body: fmt.Append(nil, i), Properties: processor.Properties{ID: fmt.Sprint(i)},
				}))
			}
			for range 2 {
				for _, c.Die = range points {
					c.dies(t)
				}
			}
			c.Die = ""
			effects, arrived := c.finish(t, b, messages)
			t.Logf("%d results arrived, for %d", arrived, 2*messages)
			require.Len(t, effects, 2*messages, "none is lost")
			for result, times := range effects {
				require.GreaterOrEqual(t, times, 1, result)
				if derived {
					require.Equal(t, 1, times, result)
				}
			}
			require.Greater(t, arrived, 2*messages, "something was sent twice, or the test shows nothing")
		})
	}
}

// finish lets a worker that does not die do the rest, and returns how often each result had an effect
// behind an inbox, and how many arrived.
func (c *task) finish(t *testing.T, b *rabbitmq.Broker, messages int) (effects map[string]int, arrived int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.work(working, b) }()
	defer func() { stop(); require.NoError(t, <-ended) }()

	effects = map[string]int{}
	inbox, err := stack.New(ack.New(), dedup.New(dedup.NewMemory(10*messages, time.Hour))).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			effects[string(msg.Body())]++
			return nil
		})
	require.NoError(t, err)
	sub, err := b.Source(c.Sink).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 10})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(ctx)) }()
	for empty := false; !empty; {
		quiet, over := context.WithTimeout(ctx, 2*time.Second)
		msg, err := sub.Receive(quiet)
		over()
		if err == nil {
			arrived++
			require.NoError(t, inbox.Process(ctx, msg))
			continue
		}
		require.NoError(t, ctx.Err(), "%d results have arrived", arrived)
		left, err := b.Ready(ctx, c.Work)
		require.NoError(t, err)
		empty = left == 0 && len(effects) >= 2*messages
	}
	return effects, arrived
}

package processors_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
)

// The queues of a world.
const (
	work   = "work"
	dead   = "dead" // where the dead letters of work go
	again  = "retry_1"
	parked = "parked"
	caller = "caller" // where the reply is wanted
	faults = "faults" // where errors are answered

	delayed = "(delayed)" // in one of the queues of a delay
)

var workQueue = broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{RoutingKey: dead}}

// world is a broker with one message in its work queue, and a publisher that may fail.
type world struct {
	*memory.Broker
	db      *sql.DB
	failing bool
	delays  map[string]bool // the queues of its backoffs
}

var _ processor.Publisher = (*world)(nil)

func newWorld(t *testing.T, headers processor.Headers) *world {
	t.Helper()
	w := &world{Broker: memory.New(), db: sql.OpenDB(database{})}
	require.NoError(t, w.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{workQueue, {Name: dead}, {Name: again}, {Name: parked}, {Name: caller}, {Name: faults}}}))
	require.NoError(t, w.Broker.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work},
		processor.Envelope{Body: []byte("hello"), Headers: headers, Properties: processor.Properties{ID: "1", ReplyTo: caller}}))
	return w
}

func (w *world) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if w.failing {
		return processor.ErrRefused
	}
	return w.Broker.Publisher().Publish(ctx, to, e)
}

// backoff is a layer whose delays are declared in the world, if it has a broker. They are few, so
// that many worlds can be made.
func (w *world) backoff(opts ...backoff.Option) processor.Middleware {
	opts = append([]backoff.Option{
		backoff.Schedule(backoff.Fixed(time.Second)),
		backoff.Strategy(delay.Ladder(delay.Longest(time.Second))),
		backoff.Logger(silent()),
	}, opts...)
	if w.Broker != nil {
		topology, err := backoff.Topology(workQueue, opts...)
		if err = errors.Join(err, w.Declare(context.Background(), topology)); err != nil {
			return stack.Invalid(err)
		}
		w.expects(topology)
	}
	return backoff.New(w, work, opts...)
}

func (w *world) expects(t broker.Topology) {
	if w.delays == nil {
		w.delays = map[string]bool{}
	}
	for _, q := range t.Queues {
		w.delays[q.Name] = q.Name != work && q.Name != parked
	}
}

// holds is how many messages each queue has, without empty queues.
func (w *world) holds(t *testing.T) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, queue := range []string{work, dead, again, parked, caller, faults} {
		n, err := w.Ready(context.WithoutCancel(t.Context()), queue)
		require.NoError(t, err)
		if n > 0 {
			found[queue] = n
		}
	}
	for queue, delays := range w.delays {
		n, err := w.Ready(context.WithoutCancel(t.Context()), queue)
		require.NoError(t, err)
		if n > 0 && delays {
			found[delayed] += n
		}
	}
	return found
}

// fate is the outcome of the message.
type fate struct {
	panics  bool
	hangs   bool
	action  processor.Action
	settled stack.Settlement
	holds   map[string]int
}

// patience is longer than any wait of a layer.
const patience = 24 * time.Hour

// live takes the message through the stack as a consumer would, and returns its fate. It must run
// in a synctest bubble.
func live(t *testing.T, c stack.Case, build func(*world, processor.Processor) (*stack.Pipeline, error)) fate {
	t.Helper()
	var headers processor.Headers
	if c == stack.CaseExhausted {
		headers = processor.Headers{
			retry.HeaderAttempts:   int64(retry.DefaultRetries),
			backoff.HeaderBackoffs: int64(backoff.DefaultRetries),
			// On a classic queue, a sender's header stays.
			redelivery.HeaderDeliveries: int64(redelivery.DefaultRetries),
		}
	}
	w := newWorld(t, headers)
	defer func() {
		require.NoError(t, w.Close(context.WithoutCancel(t.Context())))
		require.NoError(t, w.db.Close())
	}()
	w.failing = c == stack.CaseRepublishFailed

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	p, err := build(w, handler(c, func() { cancel(processor.ErrShutdown) }))
	require.NoError(t, err)
	require.NoError(t, p.Start(ctx))
	defer func() { require.NoError(t, p.Stop(context.WithoutCancel(ctx))) }()
	sub, err := w.Source(work).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	msg, err := sub.Receive(t.Context())
	require.NoError(t, err)
	if c == stack.CaseExhausted {
		require.NoError(t, msg.Nack(true)) // it has been delivered before
		msg, err = sub.Receive(t.Context())
		require.NoError(t, err)
	}

	f := process(ctx, cancel, p, msg)
	f.settled = settlement(t, msg, w)
	require.NoError(t, sub.Close(t.Context()))
	f.holds = w.holds(t)
	return f
}

// process runs the pipeline, and ends its context if it goes on without end.
func process(ctx context.Context, cancel context.CancelCauseFunc, p *stack.Pipeline, msg processor.Message) (f fate) {
	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() {
		defer close(done)
		defer func() { f.panics = recover() != nil }()
		f.action = processor.Decide(p.Process(ctx, msg)).Action
	})
	select {
	case <-done:
	case <-time.After(patience):
		f.hangs = true
		cancel(processor.ErrShutdown)
	}
	running.Wait()
	return f
}

func settlement(t *testing.T, msg processor.Message, w *world) stack.Settlement {
	t.Helper()
	r, ok := msg.(*broker.Delivery)
	require.True(t, ok)
	switch {
	case !msg.Settled():
		return stack.Unsettled
	case r.Returned():
		return stack.SettledByRequeue
	case w.holds(t)[dead] > 0:
		return stack.SettledByNack
	default:
		return stack.SettledByAck
	}
}

func handler(c stack.Case, shutdown func()) processor.Processor {
	return processor.ProcessorFunc(func(ctx context.Context, _ processor.Message) error {
		switch c {
		case stack.CaseSuccess:
			return nil
		case stack.CasePermanentError:
			return processor.Reject(errMail)
		case stack.CasePanic:
			panic(errMail)
		case stack.CaseTimeout:
			<-ctx.Done()
			return ctx.Err()
		case stack.CaseShutdown:
			shutdown()
			<-ctx.Done()
			return ctx.Err()
		case "error not to be retried (If)":
			return errFiltered
		case "error not to be retried (For, If)":
			return errUnwanted
		default:
			return errMail
		}
	})
}

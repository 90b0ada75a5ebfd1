package rabbitmq_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// busy is a broker with everything in progress: a subscription, publishers, a declaration.
type busy struct {
	*rabbitmq.Broker
	wire  *wire
	queue string
	sub   broker.Subscription
	inUse processor.Message // received, not settled

	sent    atomic.Int64 // publishes begun so far
	ended   chan error   // how each publisher, the receiver and the declarer ended
	workers int
}

// publishers of a busy broker. Half of them publish large bodies.
const publishers = 4

func newBusy(t *testing.T, url string, opts ...failover.Option) *busy {
	t.Helper()
	b := &busy{wire: newWire(), queue: name(t), ended: make(chan error, 2*publishers+2)}
	b.Broker = open(t, url, b.wire.option(), rabbitmq.Failover(opts...))
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: b.queue}}}))
	require.NoError(t, b.Publisher().Publish(within(t), to(b.queue), text("in hand")))
	b.sub = subscribe(t, b.Broker, b.queue, 1)
	b.inUse = receive(t, b.sub)
	return b
}

// large is a body so large that network buffers hold only a few.
var large = make([]byte, 16<<20)

// work starts publishing, receiving and declaring, until each gets the error that ends it.
func (b *busy) work() {
	for i := range publishers {
		b.publish([][]byte{[]byte("small"), large}[i%2])
	}
	b.until(func(ctx context.Context) error { _, err := b.sub.Receive(ctx); return err })
	b.until(func(ctx context.Context) error {
		return b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: b.queue + " that nobody reads"}}})
	})
}

func (b *busy) publish(body []byte) {
	b.until(func(ctx context.Context) error {
		b.sent.Add(1)
		return b.Publisher().Publish(ctx, to(b.queue+" that nobody reads"), processor.Envelope{Body: body})
	})
}

func (b *busy) until(f func(context.Context) error) {
	b.workers++
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	go func() {
		defer cancel()
		var err error
		for !errors.Is(err, processor.ErrClosed) && !errors.Is(err, io.EOF) && ctx.Err() == nil {
			err = f(ctx)
		}
		b.ended <- err
	}()
}

// requireOver checks that every waiting call has returned soon, and that a new one returns at once.
func (b *busy) requireOver(t *testing.T) {
	t.Helper()
	soon := withinTime(t, prompt)
	ended := 0
	for range b.workers {
		select {
		case err := <-b.ended:
			if errors.Is(err, io.EOF) {
				ended++
				continue
			}
			require.ErrorIs(t, err, processor.ErrClosed)
		case <-soon.Done():
			require.Fail(t, "somebody waits for a broker that is closed")
		}
	}
	require.Equal(t, 1, ended, "the receiver")

	start := time.Now()
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(b.queue), text("late")), processor.ErrClosed)
	require.ErrorIs(t, b.Declare(within(t), broker.Topology{}), processor.ErrClosed)
	_, err := b.sub.Receive(within(t))
	require.ErrorIs(t, err, io.EOF)
	_, err = b.Source(b.queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, processor.ErrClosed)
	_, err = b.Ready(within(t), b.queue)
	require.ErrorIs(t, err, processor.ErrClosed)
	require.ErrorIs(t, b.Health(), failover.ErrClosed)
	require.ErrorIs(t, b.inUse.Ack(), processor.ErrStale)
	require.NoError(t, b.sub.Close(within(t)))
	require.Less(t, time.Since(start), prompt)
}

// prompt is long for a loaded machine, and short of the 10 s of heartbeats and time-outs.
const prompt = 8 * time.Second

// In each state of the network and the node, with each kind of waiting call. The rows take turns
// with one node, and goroutines are counted, so nothing is parallel.
func TestCloseKeepsItsDeadlineInEachState(t *testing.T) {
	node := rabbitmqtest.Start(t)
	nothing := func() {}
	rows := []struct {
		name    string
		trouble func(*testing.T, *busy)
		phase   failover.Phase // of the publishing connection
		late    bool           // the close is not answered
		mend    func()
	}{
		{"connected", func(*testing.T, *busy) {}, failover.Connected, false, nothing},
		{"connecting", func(t *testing.T, b *busy) { b.wire.cut(silent(t)) }, failover.Connecting, false, nothing},
		{"between rounds", func(_ *testing.T, b *busy) { b.wire.cut(down) }, failover.Lost, false, nothing},
		{
			"blocked", func(t *testing.T, _ *busy) { node.SetMemoryAlarm(t, true) }, failover.Blocked, false,
			func() { node.SetMemoryAlarm(t, false) },
		},
		{
			"hung in a write", func(t *testing.T, b *busy) {
				// Its size is then known to be accepted, so the next is not tried first.
				require.NoError(t, b.Publisher().Publish(within(t), to(b.queue+" that nobody reads"), processor.Envelope{Body: large}))
				node.Pause(t)
				for range publishers { // those before may all wait for a confirm
					b.publish(large)
				}
				require.Eventually(t, b.wire.stuck, patience, 100*time.Millisecond)
			}, failover.Connected, true,
			func() { node.Resume(t) },
		},
		{"lost", func(t *testing.T, _ *busy) { node.Kill(t) }, failover.Lost, false, nothing},
	}
	const deadline = time.Second
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Cleanup(row.mend)
			before := goleak.IgnoreCurrent()
			b := newBusy(t, node.URL(), failover.Backoff(time.Hour, time.Hour), failover.StableAfter(0))
			b.work()
			require.Eventually(t, func() bool { return b.sent.Load() > publishers }, patience, time.Millisecond)
			row.trouble(t, b)
			require.Eventually(t, func() bool { return b.Publishing().State().Phase == row.phase }, patience, time.Millisecond)

			start := time.Now()
			err := b.Close(withinTime(t, deadline))
			took := time.Since(start)
			t.Logf("closed after %v: %v", took, err)
			if row.late {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			} else {
				require.NoError(t, err)
			}
			require.Less(t, took, deadline+deadline/2)
			b.requireOver(t)
			require.NoError(t, b.Close(withinTime(t, prompt)), "nothing is left to wait for")
			goleak.VerifyNone(t, before)
		})
	}
}

// Without a deadline of the caller's, failover's is the bound: once, not for each of the two
// connections.
func TestCloseWaitsForANodeThatHangsOnce(t *testing.T) {
	t.Parallel()
	const answer = 3 * time.Second
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL(), rabbitmq.Failover(failover.AnswerTimeout(answer)))
	subscribe(t, b, declareQueue(t, node.URL(), nil), 1)
	node.Pause(t)
	start := time.Now()
	require.NoError(t, b.Close(context.WithoutCancel(t.Context())))
	took := time.Since(start)
	require.GreaterOrEqual(t, took, answer)
	require.Less(t, took, 2*answer)
}

// Each asks for something that a stopped network never answers.
func TestWhoeverWaitsForAnAnswerIsToldThatTheBrokerIsClosed(t *testing.T) {
	t.Parallel()
	queueDeclare := []byte{0, 50, 0, 10, 0, 0}
	queues := func(queue string) broker.Topology { return broker.Topology{Queues: []broker.Queue{{Name: queue}}} }
	rows := map[string]struct {
		frame []byte
		ask   func(ctx context.Context, b *rabbitmq.Broker, queue string) error
	}{
		"Declare": {queueDeclare, func(ctx context.Context, b *rabbitmq.Broker, queue string) error {
			return b.Declare(ctx, queues(queue))
		}},
		"Redeclare": {queueDeclare, func(ctx context.Context, b *rabbitmq.Broker, queue string) error {
			return b.Redeclare(ctx, queues(queue))
		}},
		"Ready": {queueDeclare, func(ctx context.Context, b *rabbitmq.Broker, queue string) error {
			_, err := b.Ready(ctx, queue)
			return err
		}},
		"Subscribe": {basicQos, func(ctx context.Context, b *rabbitmq.Broker, queue string) error {
			_, err := b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
			return err
		}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := newWire()
			network.frame = row.frame
			b := open(t, rabbitmqtest.Shared(t).URL(), network.option())
			queue := declareQueue(t, rabbitmqtest.Shared(t).URL(), nil)
			network.mute.Store(true)
			asked := make(chan error, 1)
			go func() { asked <- row.ask(within(t), b, queue) }()
			require.Eventually(t, network.muted.Load, patience, time.Millisecond)

			start := time.Now()
			require.ErrorIs(t, b.Close(withinTime(t, 100*time.Millisecond)), context.DeadlineExceeded)
			require.ErrorIs(t, <-asked, processor.ErrClosed)
			require.Less(t, time.Since(start), prompt/2)
		})
	}
}

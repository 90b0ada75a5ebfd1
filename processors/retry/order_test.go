package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/retry"
)

// One test for each combination of acking and retrying: the outcome of the message, on a broker.
// Refused orders are built by hand here, to show that the refusal is right.

// office is a work queue, a retry queue that leads nowhere, and a parked queue.
type office struct {
	*memory.Broker
	sub broker.Subscription
}

const (
	work   = "mail"
	wait   = "mail_retry_1"
	parked = "mail_parked"
)

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{Broker: memory.New()}
	t.Cleanup(func() { require.NoError(t, o.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, o.Declare(t.Context(), broker.Topology{
		Queues: []broker.Queue{{Name: work}, {Name: wait}, {Name: parked}},
	}))
	require.NoError(t, o.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work},
		processor.Envelope{Body: []byte("hello"), Properties: processor.Properties{ID: "1"}}))
	o.subscribe(t)
	return o
}

func (o *office) subscribe(t *testing.T) {
	t.Helper()
	var err error
	o.sub, err = o.Source(work).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
}

// next is the next message of the work queue.
func (o *office) next(t *testing.T) processor.Message {
	t.Helper()
	msg, err := o.sub.Receive(t.Context())
	require.NoError(t, err)
	return msg
}

// crash is the end of the consumer's connection: the broker requeues what is unsettled.
func (o *office) crash(t *testing.T) {
	t.Helper()
	require.NoError(t, o.sub.Close(t.Context()))
}

func (o *office) holds(t *testing.T, want map[string]int) {
	t.Helper()
	for queue, n := range want {
		got, err := o.Ready(t.Context(), queue)
		require.NoError(t, err)
		require.Equal(t, n, got, queue)
	}
}

func fails(context.Context, processor.Message) error { return errMail }

func TestAckRetryHandlerIsRight(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var settledAtPublish bool
	msg := o.next(t)
	pub := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		settledAtPublish = msg.Settled()
		return o.Publisher().Publish(ctx, to, e)
	})
	p, err := stack.New(ack.New(), retry.New(pub, "mail_retry_%attempt%")).ThenFunc(fails)
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), msg))
	require.False(t, settledAtPublish, "first the copy, then the ack")
	o.crash(t)
	o.holds(t, map[string]int{work: 0, wait: 1})
}

// The process dies after the copy was confirmed, before the original is acked.
func TestACrashBetweenConfirmAndAckIsADuplicateNeverALoss(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	pub := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		require.NoError(t, o.Publisher().Publish(ctx, to, e))
		o.crash(t) //nolint:contextcheck // a crash knows no context
		return nil
	})
	p, err := stack.New(ack.New(), retry.New(pub, "mail_retry_%attempt%")).ThenFunc(fails)
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), o.next(t)), "a stale ack is no error of the stack")
	o.holds(t, map[string]int{work: 1, wait: 1})
	o.subscribe(t)
	again := o.next(t)
	require.Equal(t, "1", again.Properties().ID, "with the same id")
	require.True(t, again.Origin().Redelivered)
}

func TestTheRepublishFails(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]string{"no exchange": "missing", "unroutable key": ""} {
		for setting, opts := range map[string][]ack.Option{"no requeue": nil, "requeue": {ack.RequeueOnError()}} {
			t.Run(name+", "+setting, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p, err := stack.New(ack.New(opts...),
					retry.New(o.Publisher(), "nobody_%attempt%", retry.Exchange(exchange), retry.KeepTrying(0))).ThenFunc(fails)
				require.NoError(t, err)
				require.ErrorIs(t, p.Process(t.Context(), o.next(t)), processor.ErrUnroutable)
				again := o.next(t)
				require.True(t, again.Origin().Redelivered, "back in its queue")
			})
		}
	}
}

// Copies would multiply if a settled message were still published.
func TestRetryOutsideAckWithRequeueNeverRetries(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := retry.New(o.Publisher(), "mail_retry_%attempt%")(ack.New(ack.RequeueOnError())(processor.ProcessorFunc(fails)))
	for range 5 {
		require.ErrorIs(t, p.Process(t.Context(), o.next(t)), processor.ErrSettled)
	}
	o.crash(t)
	o.holds(t, map[string]int{work: 1, wait: 0})
}

func TestRetryOutsideAckLosesTheMessage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := retry.New(o.Publisher(), "mail_retry_%attempt%")(ack.New()(processor.ProcessorFunc(fails)))
	require.ErrorIs(t, p.Process(t.Context(), o.next(t)), errMail)
	o.holds(t, map[string]int{work: 0, wait: 0, parked: 0})
}

func TestCatchInsideAckLosesEveryFailedMessage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	msg := processortest.NewMessage()
	require.NoError(t, ack.New()(silentCatch()(processor.ProcessorFunc(fails))).Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())

	p := ack.New()(retry.New(o.Publisher(), "mail_retry_%attempt%")(silentCatch()(processor.ProcessorFunc(fails))))
	require.NoError(t, p.Process(t.Context(), o.next(t)))
	o.crash(t)
	o.holds(t, map[string]int{work: 0, wait: 0, parked: 0})
}

func silentCatch() processor.Middleware { return catch.New(catch.Logger(quiet)) }

// A layer that acks again and again settles the delivery once; later settlements are refused before
// they reach the broker.
func TestRetryingInPlaceOutsideAckSettlesOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	msg := o.next(t)
	calls := 0
	inner := ack.New()(processor.ProcessorFunc(func(context.Context, processor.Message) error { calls++; return errMail }))
	for range 3 {
		require.ErrorIs(t, inner.Process(t.Context(), msg), errMail)
	}
	require.Equal(t, 3, calls)
	require.ErrorIs(t, msg.Ack(), processor.ErrSettled)
	require.NoError(t, o.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{}))
	require.NoError(t, o.next(t).Ack(), "the channel lives")
}

// The whole life of a message that never succeeds, on Go's own time.
func TestAPoisonMessageIsParkedAfterItsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(t.Context())) }()
		back := &broker.DeadLetter{RoutingKey: work}
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: work}, {Name: parked},
			{Name: "mail_retry_1", MessageTTL: 30 * time.Second, DeadLetter: back},
			{Name: "mail_retry_2", MessageTTL: 3 * time.Minute, DeadLetter: back},
			{Name: "mail_retry_3", MessageTTL: 24 * time.Hour, DeadLetter: back},
		}}))
		var at []time.Duration
		start := time.Now()
		p, err := stack.New(ack.New(), retry.New(b.Publisher(), "mail_retry_%attempt%", retry.ParkKey(parked))).
			ThenFunc(func(context.Context, processor.Message) error {
				at = append(at, time.Since(start))
				return errMail
			})
		require.NoError(t, err)
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{}))
		sub, err := b.Source(work).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		for range 4 {
			msg, err := sub.Receive(t.Context())
			require.NoError(t, err)
			require.NoError(t, p.Process(t.Context(), msg))
		}
		half := 30 * time.Second
		require.Equal(t, []time.Duration{0, half, half + 3*time.Minute, half + 3*time.Minute + 24*time.Hour}, at, "attempts = N + 1")
		n, err := b.Ready(t.Context(), parked)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestAMissingParkedQueueKeepsTheMessageWhereItIs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, err := stack.New(ack.New(),
		retry.New(o.Publisher(), "mail_retry_%attempt%", retry.Retries(0), retry.ParkKey("missing"), retry.KeepTrying(0))).ThenFunc(fails)
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), o.next(t)), processor.ErrUnroutable)
	require.True(t, o.next(t).Origin().Redelivered)
}

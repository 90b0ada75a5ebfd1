package delay_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// again is how long a quorum queue waits here before it dead-letters stuck messages again. The
// default is 180 s.
const again = time.Second

// A node of its own: the setting is for the whole node.
func TestTargetsThatTakeNothingOnRabbitMQ(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	node.Call(t, "application set_env [rabbit, dead_letter_worker_publisher_confirm_timeout, "+
		strconv.FormatInt(again.Milliseconds(), 10)+"]")
	for name, test := range map[string]func(*testing.T, *rabbitmqtest.Node){
		"steps, a work queue that appears": aWorkQueueThatAppears,
		"steps, a full work queue":         aFullWorkQueueBehindSteps,
		"ladder, a full work queue":        aFullWorkQueueBehindALadder,
		"ladder, full levels":              fullLevels,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, node)
		})
	}
}

func aWorkQueueThatAppears(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	b := connect(t, node)
	const messages = 100 // more than the 32 that a queue dead-letters at a time
	d, err := delay.Steps()("appears", []time.Duration{10 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, b.Declare(within(t), d.Topology()))
	for i := range messages {
		require.NoError(t, d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), 10*time.Millisecond))
	}
	bell := ready(t, b, delay.Steps(), broker.Queue{Name: "bell", Type: broker.Quorum}, 200*time.Millisecond)
	require.NoError(t, bell.Delay(within(t), b.Publisher(), text("they are due"), 200*time.Millisecond))
	receive(t, subscribe(t, b, "bell"))
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: "appears", Type: broker.Quorum}}}))
	everyOne(t, subscribe(t, b, "appears"), messages)
}

// fill makes a work queue that refuses all but one message, which is there.
func fill(t *testing.T, b broker.Broker, strategy delay.Strategy, name string, delays ...time.Duration) delay.Delayer {
	t.Helper()
	d := ready(t, b, strategy, broker.Queue{
		Name: name, Type: broker.Classic, MaxLength: 1, Overflow: broker.RejectPublish,
	}, delays...)
	require.NoError(t, d.Delay(within(t), b.Publisher(), text("first"), 0))
	return d
}

func aFullWorkQueueBehindSteps(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	b := connect(t, node)
	const messages = 40
	d := fill(t, b, delay.Steps(), "full", 10*time.Millisecond)
	other := ready(t, b, delay.Steps(), broker.Queue{Name: "beside the full"}, 10*time.Millisecond)
	for i := range messages {
		require.NoError(t, d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), 10*time.Millisecond))
	}
	require.NoError(t, other.Delay(within(t), b.Publisher(), text("passes"), 10*time.Millisecond))
	receive(t, subscribe(t, b, "beside the full"))
	sub := subscribe(t, b, "full")
	require.Equal(t, "first", string(receive(t, sub).Body()))
	everyOne(t, sub, messages)
}

// It holds up all queues of the ladder until it has room, however short the timeout: the same 32
// messages are tried again each time. Nothing is lost.
func aFullWorkQueueBehindALadder(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	b := connect(t, node)
	const messages = 40
	strategy := delay.Ladder(delay.Unit(10*time.Millisecond), delay.Longest(time.Second))
	d := fill(t, b, strategy, "full, on a ladder")
	other := ready(t, b, strategy, broker.Queue{Name: "beside the full, on a ladder"})
	for i := range messages {
		require.NoError(t, d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), 10*time.Millisecond))
	}
	require.NoError(t, other.Delay(within(t), b.Publisher(), text("waits"), 10*time.Millisecond))
	beside := subscribe(t, b, "beside the full, on a ladder")
	ctx, cancel := context.WithTimeout(t.Context(), 2*again+again/2)
	defer cancel()
	_, err := beside.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	full := subscribe(t, b, "full, on a ladder")
	require.Equal(t, "first", string(receive(t, full).Body()))
	everyOne(t, full, messages)
	require.Equal(t, "waits", string(receive(t, beside).Body()))
}

// A refused message is an error, and messages stuck above come down when there is room.
func fullLevels(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	b := connect(t, node)
	const messages = 60
	strategy := delay.Ladder(delay.Unit(20*time.Millisecond), delay.Longest(time.Second), delay.MaxLength(5))
	d := ready(t, b, strategy, broker.Queue{Name: "behind full levels", Type: broker.Quorum})
	refused := 0
	for i := range messages {
		wait := time.Duration(i%7+1) * 20 * time.Millisecond
		for {
			err := d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), wait)
			if err == nil {
				break
			}
			if !errors.Is(err, processor.ErrRefused) {
				require.NoError(t, err)
			}
			refused++
		}
	}
	require.NotZero(t, refused)
	everyOne(t, subscribe(t, b, "behind full levels"), messages)
}

// everyOne takes messages that are numbered, until each has come. With so short a timeout
// a slow node may send one twice.
func everyOne(t *testing.T, sub broker.Subscription, messages int) {
	t.Helper()
	seen := map[string]bool{}
	for len(seen) < messages {
		seen[string(receive(t, sub).Body())] = true
	}
	for i := range messages {
		require.Contains(t, seen, strconv.Itoa(i))
	}
}

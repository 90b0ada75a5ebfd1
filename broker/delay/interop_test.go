package delay_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// backedOff is the copy that the backoff processor delays for the nth time.
func backedOff(m processor.Message, n int64) processor.Envelope {
	e := republish.Again(m, time.Now())
	e.Headers[republish.HeaderBackoffs] = n
	return e
}

// delays are two, so that entries of x-death are counted up, and added.
var delays = []int32{31, 73}

// counted is how many of n delays Python finds in x-death. RabbitMQ from 4.0 on ignores the x-death
// of a client, so that only the last delay is in it.
func counted[N int | int64](t *testing.T, n N) int {
	t.Helper()
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		return int(min(n, 1))
	}
	return int(n)
}

func TestDelaysByPythonAreCounted(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, py, queue := connect(t, node), newPython(t, node), "counted by us"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	came := amqp.Delivery{Body: []byte("m")}
	for n := range 6 {
		py.backOff(came, queue, delays[n%2])
		came = py.take(queue)
		require.EqualValues(t, counted(t, n+1), py.count(came))
		require.EqualValues(t, counted(t, n+1), d.Waits(delivered(came).Headers()))
	}
	py.backOff(came, queue, delays[0])
	require.EqualValues(t, counted(t, 7), d.Waits(receive(t, subscribe(t, b, queue)).Headers()))
}

func TestPythonCountsOurDelays(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, py, queue := connect(t, node), newPython(t, node), "counted by Python"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	e := withHeaders(processor.Headers{republish.HeaderBackoffs: int64(1)})
	for n := range int64(6) {
		ms := delays[n%2]
		start := time.Now()
		require.NoError(t, d.Delay(within(t), b.Publisher(), e, time.Duration(ms)*time.Millisecond))
		came := py.take(queue)
		require.GreaterOrEqual(t, time.Since(start), time.Duration(ms)*time.Millisecond-tick)
		require.EqualValues(t, counted(t, n+1), py.count(came), came.Headers)
		require.Equal(t, ms, came.Headers["backoff"])
		require.Empty(t, came.Expiration)
		e = backedOff(delivered(came), n+2)
	}
}

// Python and Go take turns, and each sees all delays.
func TestTakingTurnsWithPython(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, py, queue := connect(t, node), newPython(t, node), "rpc-turns"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	py.request(queue, "turns.work")
	for n := range 8 {
		ms := delays[n/2%2]
		came := py.take(queue)
		require.EqualValues(t, counted(t, n), py.count(came), came.Headers)
		if n%2 == 1 {
			require.Equal(t, "turns.work", came.Headers["nameko.rpc_method_id"], "Python finds the method")
			require.Equal(t, []any{"web.get.1.backoff"}, came.Headers["nameko.call_id_stack"])
			py.backOff(came, queue, ms)
			continue
		}
		m := delivered(came)
		require.EqualValues(t, counted(t, n), d.Waits(m.Headers()), "Go counts what Python has delayed")
		require.NoError(t, d.Delay(within(t), b.Publisher(), backedOff(m, d.Waits(m.Headers())+1), time.Duration(ms)*time.Millisecond))
	}
	require.EqualValues(t, counted(t, 8), py.count(py.take(queue)))
}

var runs atomic.Int32

// The second to declare is not refused, and makes no second binding.
func TestPythonAndGoDeclareTheSame(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, py, queue := connect(t, node), newPython(t, node), "declared by both"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	goes := func(ms int32) {
		t.Helper()
		require.NoError(t, d.Delay(within(t), b.Publisher(), text("m"), time.Duration(ms)*time.Millisecond))
	}
	second := 20_000 + 2*runs.Add(1) // delays that no other run has
	first := second - 1
	py.declare(first)
	goes(first)
	py.declare(first)
	goes(second)
	py.declare(second)
	goes(second)
	bindings := node.Eval(t, `[{S, D} || [{source_name, S}, {destination_name, D}] <- rabbit_binding:info_all(<<"/">>, [source_name, destination_name])]`)
	for ms, waiting := range map[int32]int{first: 1, second: 2} {
		name := fmt.Sprintf("backoff--%dms", ms)
		require.Equal(t, 1, strings.Count(bindings, fmt.Sprintf(`{<<"backoff">>,<<%q>>}`, name)), bindings)
		n, err := b.Ready(within(t), name)
		require.NoError(t, err)
		require.Equal(t, waiting, n, name)
	}
}

// Many at once, each with its own delay and so its own queue.
func TestManyCompatibleDelaysOnRabbitMQ(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, queue := connect(t, node), "many compatible"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	const workers, each = 8, 25
	var publishing sync.WaitGroup
	for w := range workers {
		publishing.Go(func() {
			for n := range each {
				body := fmt.Sprint(w, " ", n)
				if err := d.Delay(within(t), b.Publisher(), text(body), time.Duration(1+(w*each+n)%60)*time.Millisecond); err != nil {
					t.Error(err)
				}
			}
		})
	}
	publishing.Wait()
	sub := subscribe(t, b, queue)
	came := map[string]bool{}
	for range workers * each {
		came[string(receive(t, sub).Body())] = true
	}
	require.Len(t, came, workers*each)
}

// A broker that is low on memory blocks the publish for longer than a lease, and answers
// redeclares all the while.
func TestABlockedPublishOutlivesTheLease(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, queue := connect(t, node), "blocked"
	d := ready(t, b, delay.Compatible(b), broker.Queue{Name: queue})
	sub := subscribe(t, b, queue)
	require.NoError(t, d.Delay(within(t), b.Publisher(), text("1"), time.Millisecond))
	receive(t, sub)
	node.SetMemoryAlarm(t, true)
	done := make(chan error, 1)
	go func() { done <- d.Delay(within(t), b.Publisher(), text("2"), time.Millisecond) }()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	_, err := sub.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	node.SetMemoryAlarm(t, false)
	require.NoError(t, <-done)
	require.Equal(t, "2", string(receive(t, sub).Body()))
}

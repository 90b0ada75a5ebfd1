package rabbitmq_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ackWatch notes when each delivery is acked on the wire.
type ackWatch struct {
	mu     sync.Mutex
	frames int
	acked  map[uint64]time.Time // by tag; not for those below a multiple ack
	below  []uint64
}

type watchedConn struct {
	net.Conn
	watch *ackWatch
}

func (c watchedConn) Write(b []byte) (int, error) {
	c.watch.look(b)
	return c.Conn.Write(b)
}

// look finds the frames of basic.ack: class 60, method 80, the tag, and the multiple bit.
func (w *ackWatch) look(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	method := []byte{0, 0, 0, 13, 0, 60, 0, 80}
	for i := bytes.Index(b, method); i >= 0; i = bytes.Index(b, method) {
		b = b[i+len(method):]
		tag := binary.BigEndian.Uint64(b)
		w.frames++
		w.acked[tag] = time.Now()
		if b[8] == 1 {
			w.below = append(w.below, tag)
		}
	}
}

// at returns when tag was acked.
func (w *ackWatch) at(tag uint64) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := w.acked[tag]; ok {
		return at
	}
	for _, above := range w.below {
		if tag < above {
			return w.acked[above]
		}
	}
	return time.Time{}
}

func watched(t *testing.T, opts ...rabbitmq.Option) (*rabbitmq.Broker, *ackWatch) {
	t.Helper()
	w := &ackWatch{acked: map[uint64]time.Time{}}
	dial := failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return watchedConn{conn, w}, err
	})
	return open(t, rabbitmqtest.Shared(t).URL(), append(opts, rabbitmq.Failover(dial))...), w
}

// At 100 messages a second, with one that hangs, each ack is on the wire soon after its handler.
func TestAnAckDoesNotWaitForLong(t *testing.T) {
	t.Parallel()
	b, watch := watched(t)
	queue := declareQueue(t, rabbitmqtest.Shared(t).URL(), nil)
	const n = 200
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	finished := map[uint64]time.Time{}
	var all sync.WaitGroup
	all.Add(n - 1)
	p, err := stack.New().ThenFunc(func(ctx context.Context, msg processor.Message) error {
		number, err := strconv.ParseUint(msg.Properties().ID, 10, 64)
		if err != nil {
			return err
		}
		tag := number + 1 // one subscription, in order
		if tag == 1 {
			<-ctx.Done()
			return msg.Ack()
		}
		defer all.Done()
		mu.Lock()
		finished[tag] = time.Now()
		mu.Unlock()
		return msg.Ack()
	})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		ended <- must.Have(consumer.New(b.Source(queue), p, consumer.Workers(2), consumer.Prefetch(50), consumer.DrainTimeout(0))).Run(ctx)
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(strconv.Itoa(i))))
		<-tick.C
	}
	all.Wait()
	require.Eventually(t, func() bool { return !watch.at(n).IsZero() }, patience, time.Millisecond)
	var took []time.Duration
	for tag, at := range finished {
		acked := watch.at(tag)
		require.False(t, acked.IsZero(), "delivery %d is not acked", tag)
		took = append(took, acked.Sub(at))
	}
	slices.Sort(took)
	t.Logf("from finished to acked: median %v, p99 %v, most %v", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	require.Less(t, took[len(took)/2], 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	ready(t, b, queue, 0)
}

func TestAcksTravelTogether(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		opts []rabbitmq.Option
		most int
	}{
		"together": {nil, 150}, "singly": {[]rabbitmq.Option{rabbitmq.AckSingly()}, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, watch := watched(t, row.opts...)
			queue := declareQueue(t, rabbitmqtest.Shared(t).URL(), nil)
			const n = 1000
			publishNumbers(t, b, queue, n)
			sub := subscribe(t, b, queue, 200)
			for range n {
				require.NoError(t, receive(t, sub).Ack())
			}
			require.NoError(t, sub.Close(within(t)))
			ready(t, b, queue, 0)
			t.Logf("%d acks in %d frames", n, watch.frames)
			require.LessOrEqual(t, watch.frames, row.most)
			if row.opts != nil {
				require.Equal(t, n, watch.frames)
			}
		})
	}
}

package rabbitmq_test

import (
	"context"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// dials counts the attempts to connect.
type dials struct{ atomic.Int64 }

func (d *dials) option() failover.Option {
	return failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	})
}

// Two nodes of three die, and the third pauses until one is back. From RabbitMQ 4.2 on it keeps
// serving, and confirms nothing.
func testMajorityLost(t *testing.T, w *site) {
	t.Helper()
	var d dials
	s := w.start(t, 0, 1, 2, d.option())
	s.harm(t, w, kill, 1, 2)
	if rabbitmqtest.Version(t).PausesMinority() {
		s.requireCut(t, &d)
		err := s.broker.Publisher().Publish(withinTime(t, time.Second), to(s.work), text("no number"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, processor.ErrIndeterminate, "it was not sent, and is not in the way of the stream")
	}
	var confirmed int
	require.Eventually(t, func() bool {
		before := confirmed
		confirmed = s.books.Books().Confirmed
		return confirmed == before
	}, patience, time.Second, "nobody can have taken what is sent now")
	require.Equal(t, senders, s.books.Books().InFlight)

	s.books.Mark()
	restart(t, w, w.nodes[1])
	s.flows(t)
	restart(t, w, w.nodes[2])
	s.flows(t)
	s.finish(t)
	s.within(t, 40*time.Second) // a node starts in that time
	t.Log("since the first is started again:", s)
}

func testAllDown(t *testing.T, w *site) {
	t.Helper()
	var d dials
	s := w.start(t, 0, 1, 2, d.option())
	s.harm(t, w, kill, 0, 1, 2)
	s.requireCut(t, &d)
	// Each round begins when the last has ended and a wait of half the limit is over.
	before, start := d.Load(), time.Now()
	<-time.After(3 * time.Second)
	rounds := time.Since(start)/(rest/2) + 1
	most := int64(2 * len(w.nodes) * int(rounds))
	require.LessOrEqual(t, d.Load()-before, most, "two connections")
	t.Logf("%d attempts to connect in %v, of %d", d.Load()-before, time.Since(start).Round(time.Millisecond), most)

	s.books.Mark()
	for _, n := range w.nodes {
		n.Restart(t)
	}
	s.flows(t)
	s.finish(t)
	s.within(t, 40*time.Second) // the same
	t.Log("since the first is started again:", s)
}

// requireCut waits until neither connection has a session, and the backoff is at its limit.
func (s *stream) requireCut(tb testing.TB, d *dials) {
	tb.Helper()
	before := d.Load()
	require.Eventually(tb, func() bool {
		if s.broker.Publishing().Ready() == nil || s.broker.Consuming().Ready() == nil {
			before = d.Load()
		}
		return d.Load() > before+2*3*6 // rounds, to the limit of the backoff
	}, patience, time.Millisecond)
	require.Error(tb, s.broker.Health())
}

var waiting = regexp.MustCompile(`"failover: waiting before the next round" connection=publishing attempt=(\d+)`)

// A node dies again and again, each time soon after it has come back. A client that knows no other
// does not restart its backoff, and the stream has other nodes.
func testFlapping(t *testing.T, w *site) {
	t.Helper()
	var d dials
	j := &journal{}
	lonely, err := rabbitmq.Open(within(t), w.urls[:1], j.option(),
		rabbitmq.Failover(d.option(), failover.Backoff(50*time.Millisecond, rest)))
	require.NoError(t, err)
	defer func() { require.NoError(t, lonely.Close(within(t))) }()
	s := w.start(t, 1, 0, 0)
	s.books.Mark()
	start := time.Now()
	for range 3 {
		s.harm(t, w, kill, 0)
		s.flows(t)
		kill.mend(t, w, w.nodes[0])
		err := lonely.Publisher().Publish(within(t), to(name(t)), text("1"))
		require.ErrorIs(t, err, processor.ErrUnroutable, "it has come back too")
	}
	most := 2 * int64(time.Since(start)/(rest/2)+1)
	require.LessOrEqual(t, d.Load(), most)
	t.Logf("%d attempts to connect in %v, of %d", d.Load(), time.Since(start).Round(time.Millisecond), most)
	last := 0
	for _, m := range waiting.FindAllStringSubmatch(j.all(), -1) {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		require.Greater(t, n, last, "the backoff goes on where it was")
		last = n
	}
	require.NotZero(t, last)
	s.finish(t)
	s.within(t, 5*time.Second)
	t.Log(s)
}

package retrying_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/retrying"
)

// prompt is long for a loaded machine, on which it took 0.6 to 3 s; without a new channel it would
// never end.
const prompt = 8 * time.Second

// stream publishes one message after the other until it is told to stop.
type stream struct {
	next *watched
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	sent    int
	last    time.Time // success
	longest time.Duration
}

func newStream(t *testing.T, b *rabbitmq.Broker, queue string) *stream {
	t.Helper()
	s := &stream{next: &watched{Publisher: b.Publisher()}, stop: make(chan struct{}), done: make(chan struct{}), last: time.Now()}
	p := must.Have(retrying.New(s.next))
	ctx := within(t, time.Minute)
	go func() {
		defer close(s.done)
		for n := 0; ; n++ {
			select {
			case <-s.stop:
				return
			default:
			}
			if err := p.Publish(ctx, processor.Destination{RoutingKey: queue}, text(fmt.Sprint(n))); err != nil {
				t.Error(err)
				return
			}
			s.succeeded()
		}
	}()
	return s
}

func (s *stream) succeeded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.sent++
	s.longest, s.last = max(s.longest, now.Sub(s.last)), now
}

// reset forgets the gaps so far.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = 0
}

// awaitMore waits until a hundred more have been published, and returns the longest time
// without a success.
func (s *stream) awaitMore(t *testing.T) time.Duration {
	t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.sent
	}
	due := count() + 100
	require.Eventually(t, func() bool { return count() >= due }, patience, 10*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.longest
}

func (s *stream) end() {
	close(s.stop)
	<-s.done
}

// A publisher's connection is on a node that does not lead, and survives the one that does.
func TestPublishingGoesOnWithoutTheLeader(t *testing.T) {
	t.Parallel()
	cluster := rabbitmqtest.StartCluster(t, 3)
	t.Run("dies", func(t *testing.T) { leaderDies(t, cluster) })
	t.Run("hangs", func(t *testing.T) { leaderHangs(t, cluster) })
}

// declare declares quorum queues that the first node leads, and opens a broker on another.
func declare(t *testing.T, cluster *rabbitmqtest.Cluster, n int) (*rabbitmq.Broker, []string) {
	t.Helper()
	names := make([]string, n)
	topology := broker.Topology{}
	for i := range names {
		names[i] = name(t)
		topology.Queues = append(topology.Queues, broker.Queue{Name: names[i], Type: broker.Quorum})
	}
	nodes := cluster.Nodes()
	first := open(t, topology.Queues[0], []string{nodes[0].URL()})
	require.NoError(t, first.Declare(within(t, patience), topology))
	for _, queue := range names {
		require.Equal(t, nodes[0].URL(), cluster.Leader(t, queue).URL())
	}
	for _, node := range nodes {
		node.Sync(t)
	}
	return open(t, topology.Queues[0], []string{nodes[1].URL()}), names
}

// The others take over when it has been silent for net_ticktime, which is five to six
// seconds here.
func leaderHangs(t *testing.T, cluster *rabbitmqtest.Cluster) {
	b, names := declare(t, cluster, 1)
	queue, leader := names[0], cluster.Nodes()[0]
	s := newStream(t, b, queue)
	s.awaitMore(t)
	s.reset()
	leader.Pause(t)
	gap := s.awaitMore(t)
	s.end()
	leader.Resume(t)
	t.Logf("longest gap %v, refused %d, in doubt %d", gap, s.next.refused.Load(), s.next.doubtful.Load())
	require.Greater(t, gap, 2*time.Second, "it was hung")
	require.Less(t, gap, patience/2)
	stored := ready(t, b, queue)
	require.Len(t, drain(t, b, queue, stored), s.sent)
}

// RabbitMQ 3.10 may nack without end what a channel publishes to a queue for the first time just
// after its leader has died.
func leaderDies(t *testing.T, cluster *rabbitmqtest.Cluster) {
	b, names := declare(t, cluster, 11)
	s := newStream(t, b, names[0])
	s.awaitMore(t)
	s.reset()
	leader := cluster.Nodes()[0]
	leader.Kill(t)
	next := &watched{Publisher: b.Publisher()}
	p, ctx := must.Have(retrying.New(next)), within(t, patience)
	var wg sync.WaitGroup
	for _, queue := range names[1:] {
		wg.Go(func() {
			start := time.Now()
			if err := p.Publish(ctx, processor.Destination{RoutingKey: queue}, text("first")); err != nil || time.Since(start) > prompt {
				t.Errorf("published in %v: %v", time.Since(start), err)
			}
		})
	}
	start := time.Now()
	wg.Wait()
	took := time.Since(start)
	gap := s.awaitMore(t)
	s.end()
	t.Logf("longest gap %v, first publishes within %v; refused %d, in doubt %d",
		gap, took, s.next.refused.Load()+next.refused.Load(), s.next.doubtful.Load()+next.doubtful.Load())
	require.Less(t, gap, prompt)
	leader.Restart(t)
	stored := ready(t, b, names[0])
	require.Len(t, drain(t, b, names[0], stored), s.sent)
	for _, queue := range names[1:] {
		require.Positive(t, ready(t, b, queue))
	}
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/logattr"
)

// ErrTwo says that the two connections of a broker do not lead to one cluster and vhost.
var ErrTwo = errors.New("publishing and consuming are connected to two clusters, or two vhosts: what is published is not consumed here")

// unknownFor is how long after a probe without an answer the next is made at the earliest. Where a
// cluster has no majority, RabbitMQ closes the connection over the question.
const unknownFor = 10 * time.Minute

// Watch probes two connections each time that one of them is replaced.
type Watch struct {
	life                  *life.Life
	publishing, consuming *failover.Connection

	mu      sync.Mutex
	of      [2]*failover.Session // the latest that were looked at
	unknown time.Time            // of the latest probe without an answer
	err     error
}

// NewWatch returns a watch of two connections, which waits for [Watch.Start].
func NewWatch(l *life.Life, publishing, consuming *failover.Connection) *Watch {
	return &Watch{life: l, publishing: publishing, consuming: consuming}
}

// Err returns [ErrTwo], with the nodes, if that is known of the two connections.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[0] == nil || w.of[0].Err() != nil || w.of[1].Err() != nil {
		return nil
	}
	return w.err
}

// Start watches until the broker is closed.
func (w *Watch) Start() {
	changed := make(chan struct{}, 1)
	for _, c := range []*failover.Connection{w.publishing, w.consuming} {
		w.life.Go(func() {
			for range c.Watch(w.life.Context()) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		})
	}
	w.life.Go(func() {
		for {
			select {
			case <-changed:
				_ = w.Check(w.life.Context()) // Err has it
			case <-w.life.Context().Done():
				return
			}
		}
	})
}

// Check probes the two connections if they have not been since one of them was replaced. It returns
// as [Watch.Err] does, and does not wait for a connection.
func (w *Watch) Check(ctx context.Context) error {
	publishing, consuming := now(w.publishing), now(w.consuming) //nolint:contextcheck // does not wait
	if publishing == nil || consuming == nil || !w.begin(publishing, consuming) {
		return w.Err()
	}
	answer := One
	if !same(publishing, consuming) {
		answer = Probe(ctx, w.life, consuming, publishing)
	}
	w.mu.Lock()
	switch answer {
	case One:
	case Two:
		w.err = fmt.Errorf("%w: %s and %s", ErrTwo, publishing.Node(), consuming.Node())
	case Unknown:
		w.unknown = time.Now()
	}
	err := w.err
	w.mu.Unlock()
	if err != nil {
		w.life.Log.Error("the connections do not belong together", logattr.Err(err))
	}
	return err
}

// begin returns false if the sessions have been looked at, or the last probe had no answer.
func (w *Watch) begin(publishing, consuming *failover.Session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	pair := [2]*failover.Session{publishing, consuming}
	if w.of == pair || !w.unknown.IsZero() && time.Since(w.unknown) < unknownFor {
		return false
	}
	w.of, w.err = pair, nil
	return true
}

// same reports whether two sessions are to one node: behind one address may be a balancer, but nodes
// behind it rarely greet alike.
func same(a, b *failover.Session) bool {
	return a.Node() == b.Node() && a.ServerProperties()["cluster_name"] == b.ServerProperties()["cluster_name"] && a.Vhost() == b.Vhost()
}

// now returns the session of a connection, nil if there is none.
func now(c *failover.Connection) *failover.Session {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	s, err := c.Session(ctx)
	if err != nil {
		return nil
	}
	return s
}

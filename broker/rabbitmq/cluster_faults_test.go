package rabbitmq_test

import (
	"testing"
	"time"
)

// One after the other, on one cluster: each leaves it whole.
func TestAStreamThroughAClusterThatBreaks(t *testing.T) {
	t.Parallel()
	w := newSite(t)
	for _, fault := range []struct {
		name string
		test func(*testing.T, *site)
	}{
		// Nodes by number; the first one is harmed.
		{"the leader is killed", node(kill, 0, 1, 2, 5*time.Second)},
		{"the leader that is published to is killed", node(kill, 0, 0, 1, 5*time.Second)},
		{"the leader is stopped", node(stop, 0, 1, 2, 5*time.Second)},
		{"the node that all clients are on is stopped", node(stop, 1, 0, 0, 5*time.Second)},
		{"the leader that is published to is stopped", node(stop, 0, 0, 1, 5*time.Second)},
		{"the leader hangs", node(hang, 0, 1, 2, 20*time.Second)},
		{"the node that all clients are on hangs", node(hang, 1, 0, 0, 10*time.Second)},
		// Before 4.2 it pauses, and closes its connections. With Khepri it does not.
		{"the leader that all clients are on is cut off", node(cutOff, 0, 0, 0, 10*time.Second+cutOffFor)},
		{"the majority is lost", testMajorityLost},
		{"all are down", testAllDown},
		{"the node that all clients are on is killed, again and again", testFlapping},
		{"channels that nack for ever", testStaleChannels},
		{"a classic queue is down", testClassicQueueDown},
	} {
		if !t.Run(fault.name, func(t *testing.T) { fault.test(t, w) }) {
			return // the cluster may not be whole
		}
	}
}

// node harms the first node, while a stream goes through a queue that one node leads from clients
// on two. The stream never stands still for as long as the gap.
func node(h harm, leader, publishing, consuming int, gap time.Duration) func(*testing.T, *site) {
	return func(t *testing.T, w *site) {
		s := w.start(t, leader, publishing, consuming)
		s.books.Mark()
		s.harm(t, w, h, 0)
		s.flows(t)
		h.mend(t, w, w.nodes[0])
		s.flows(t)
		s.finish(t)
		s.within(t, gap)
		t.Log(s)
	}
}

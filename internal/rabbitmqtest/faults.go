//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Sync has the node write to disk what has been declared. It answers a declare before
// that: killed within some seconds, it may forget a durable queue, and a quorum queue that
// it remembers may never find a leader again. That is the node's loss, so a test of
// somebody else's calls Sync before [Node.Kill].
func (n *Node) Sync(tb TB) {
	tb.Helper()
	n.callOK(tb, "mnesia sync_log []")
	n.callOK(tb, "dets sync [ra_log_meta]")
	n.callOK(tb, "dets sync [ra_directory_reverse]")
}

// CloseConnections has the node close every client connection, as an operator would:
// clients get 320, connection forced, with the reason.
func (n *Node) CloseConnections(tb TB, reason string) {
	tb.Helper()
	n.callOK(tb, fmt.Sprintf("rabbit_networking close_all_connections [%s]", erlangString(reason)))
}

// SetMemoryAlarm raises or clears the node's memory alarm, and returns when every
// connection has been told. While it is on, the node blocks each connection that
// publishes.
func (n *Node) SetMemoryAlarm(tb TB, on bool) {
	tb.Helper()
	watermark := `{absolute, "` + memoryLimit + `"}`
	if on {
		watermark = "0"
	}
	n.callOK(tb, fmt.Sprintf("vm_memory_monitor set_vm_memory_high_watermark [%s]", watermark))
	n.awaitAlarm(tb, "memory", on)
}

// SetDiskAlarm raises or clears the node's disk alarm, which is like the memory alarm;
// see [Node.SetMemoryAlarm].
func (n *Node) SetDiskAlarm(tb TB, on bool) {
	tb.Helper()
	limit := int64(diskLimit)
	if on {
		limit = 1e15 // a petabyte is more than anyone has
	}
	n.callOK(tb, fmt.Sprintf("rabbit_disk_monitor set_disk_free_limit [%d]", limit))
	n.awaitAlarm(tb, "disk", on)
}

// awaitAlarm waits until the alarm is on or off. The monitors only send word to the
// process that keeps the alarms; that one tells the connections before it answers.
func (n *Node) awaitAlarm(tb TB, resource string, on bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	err := poll(ctx, n.broker, func() bool {
		return strings.Contains(n.Call(tb, "rabbit_alarm get_alarms []"), resource) == on
	})
	if err != nil {
		tb.Fatalf("rabbitmqtest: the %s alarm did not change: %v", resource, err)
	}
}

// SetConsumerTimeout limits how long a delivery may stay unsettled before the node
// closes its channel, in milliseconds and looked at every second. It holds for
// channels that are opened from now on. The broker's default is 30 minutes.
func (n *Node) SetConsumerTimeout(tb TB, d time.Duration) {
	tb.Helper()
	n.callOK(tb, fmt.Sprintf("application set_env [rabbit, consumer_timeout, %d]", d.Milliseconds()))
	n.callOK(tb, "application set_env [rabbit, channel_tick_interval, 1000]")
}

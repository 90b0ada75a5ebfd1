//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// syncExpression is true when everything is written. Before 4.2 Mnesia holds the definitions, from
// 4.2 the log of Khepri, which is written before the answer.
const syncExpression = `
lists:member(mnesia:sync_log(), [ok, {error, {node_not_running, node()}}]) andalso
lists:all(fun(Table) -> dets:sync(Table) =:= ok end,
 [ra_log_meta, ra_directory_reverse, ra_coordination_log_meta, ra_coordination_directory_reverse])`

// Sync makes the node write its definitions to disk. It answers a declare before
// that: killed within some seconds, it may forget a durable queue, and a quorum queue that
// it remembers may never find a leader again. A test that does not want that loss
// calls Sync before [Node.Kill].
func (n *Node) Sync(tb TB) {
	tb.Helper()
	ctx, cancel := within(tb, callLimit)
	defer cancel()
	if err := n.awaitTrue(ctx, syncExpression); err != nil {
		tb.Fatalf("rabbitmqtest: sync %s: %v", n.name, err)
	}
}

// CloseConnections makes the node close every client connection, as an operator would:
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

// awaitAlarm waits until the alarm is on or off. The monitors only send a message to the
// process that keeps the alarms, which notifies the connections before it answers.
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

// SetConsumerTimeout limits how long a delivery may stay unsettled, in milliseconds and
// checked every second. The broker's default is 30 minutes. Before 4.3 the node closes
// the channel of such a delivery, and the limit holds for channels that are opened from now
// on. From 4.3 it cancels the consumer, for quorum queues that are declared
// from now on; a classic queue has no limit.
func (n *Node) SetConsumerTimeout(tb TB, d time.Duration) {
	tb.Helper()
	n.callOK(tb, fmt.Sprintf("application set_env [rabbit, consumer_timeout, %d]", d.Milliseconds()))
	n.callOK(tb, "application set_env [rabbit, channel_tick_interval, 1000]")
}

package rabbitmq_test

import (
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Each resume left a channel and a consumer that waited for the queue. When it answered again it served
// all of them, and each gave its messages back, which counts as failed attempts before 4.3.
func TestPausesOfAQueueThatHangsLeaveNoConsumersBehind(t *testing.T) {
	t.Parallel()
	for kind, args := range map[string]amqp.Table{"classic": nil, "quorum": {"x-queue-type": "quorum"}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			b, queue := open(t, node.URL()), declareQueue(t, node.URL(), args)
			sub := subscribe(t, b, queue, 5)
			publishNumbers(t, b, queue, 10)
			<-sub.Pause()
			tell(t, node, queue, "suspend")
			before := channels(t, node)
			for range 30 {
				sub.Resume()
				time.Sleep(30 * time.Millisecond) // until the queue is asked
				<-sub.Pause()
			}
			require.LessOrEqual(t, channels(t, node), before+1)
			tell(t, node, queue, "resume")
			ready(t, b, queue, 10)
			sub.Resume()
			for n := range 10 {
				msg := receive(t, sub)
				require.Equal(t, strconv.Itoa(n), msg.Properties().ID)
				count, _ := msg.Headers().Int64("x-delivery-count")
				require.LessOrEqual(t, count, int64(2), "once for each of the two consumers that had it")
				require.NoError(t, msg.Ack())
			}
		})
	}
}

// channels is how many channels the node has.
func channels(tb testing.TB, node *rabbitmqtest.Node) int {
	tb.Helper()
	n, err := strconv.Atoi(node.Eval(tb, "length(rabbit_channel:list_local())"))
	require.NoError(tb, err)
	return n
}

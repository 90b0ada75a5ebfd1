package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The node is gone after the tests, so nothing declared here matters.

// RabbitMQ's words are cut off at 255 bytes.
func TestVerifyOfANameThatLeavesNoRoomForTheDifference(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	q := broker.Queue{Name: name(t) + strings.Repeat("n", 150), MessageTTL: time.Hour, MaxLength: 7}
	_, err := raw(t, rabbitmqtest.Shared(t).URL()).QueueDeclare(q.Name, true, false, false, false, nil)
	require.NoError(t, err)
	report, err := verify.Topology(within(t), b, queues(q))
	require.NoError(t, err)
	require.Equal(t, []verify.Finding{
		fault(verify.DifferentQueue, "", q.Name, `x-message-ttl: planned 3600000 (1h0m0s), live "(the broker does not tell)"`),
	}, bare(t, report))
	require.Contains(t, report.Unchecked[0], "it differs in x-message-ttl, and what follows cannot be seen")
}

// An exchange of a kind that the broker does not know ends the connection, and a stream has other
// arguments.
func TestVerifyAsksNothingThatIsDangerous(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	x := broker.Exchange{Name: name(t), Kind: "x-unknown-here"}
	stream := broker.Queue{Name: name(t), Arguments: processor.Headers{"x-queue-type": "stream", "x-max-age": "1h"}}
	aged := broker.Queue{Name: name(t), Arguments: processor.Headers{"x-max-age": "1h"}}
	topology := exchanges(x).Merge(queues(stream, aged))
	channel := raw(t, rabbitmqtest.Shared(t).URL())
	require.NoError(t, channel.ExchangeDeclare(x.Name, "direct", true, false, false, false, nil))
	for _, q := range topology.Queues {
		_, err := channel.QueueDeclare(q.Name, true, false, false, false, nil)
		require.NoError(t, err)
	}
	sub := subscribe(t, b, stream.Name, 1)
	report, err := verify.Topology(within(t), b, topology)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	for _, name := range []string{x.Name, stream.Name, aged.Name} {
		require.Contains(t, strings.Join(report.Unchecked, "\n"), fmt.Sprintf("%q was declared with: the broker does not tell", name))
	}
	require.NoError(t, b.Publisher().Publish(within(t), to(stream.Name), text("the connection lives")))
	require.NoError(t, receive(t, sub).Ack())
}

func TestVerifyOfAnotherConnectionsQueue(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	q := broker.Queue{Name: name(t)}
	_, err := raw(t, rabbitmqtest.Shared(t).URL()).QueueDeclare(q.Name, false, false, true, false, nil)
	require.NoError(t, err)
	report, err := verify.Topology(within(t), b, queues(q))
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, verify.Unavailable, report.Findings[0].Kind)
	require.Contains(t, report.Findings[0].Problem, "RESOURCE_LOCKED")
}

func TestVerifyAfterClose(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	require.NoError(t, b.Close(within(t)))
	_, err := verify.Topology(within(t), b, queues(broker.Queue{Name: "q"}))
	require.ErrorIs(t, err, processor.ErrClosed)
}

// A consumer goes on while every kind of finding is found.
func TestVerifyDisturbsNoConsumer(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	q := name(t)
	_, err := raw(t, rabbitmqtest.Shared(t).URL()).QueueDeclare(q, true, false, false, false, nil)
	require.NoError(t, err)
	sub := subscribe(t, b, q, 10)
	other := queues(broker.Queue{Name: q, MessageTTL: time.Hour, MaxLength: 5, Transient: true}, broker.Queue{Name: name(t)})
	for range 20 {
		require.NoError(t, b.Publisher().Publish(within(t), to(q), text("m")))
		msg := receive(t, sub)
		report, err := verify.Topology(within(t), b, other)
		require.NoError(t, err)
		require.Len(t, report.Findings, 2)
		require.NoError(t, msg.Ack(), "the channel is the one that it came on")
		require.False(t, msg.Origin().Redelivered)
	}
}

package direct_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/rpc"
)

// waiting is a call that waits, until the function is called, which requires that it has its reply.
func waiting(t *testing.T, b *rabbitmq.Broker, client *rpc.Client) (replied func()) {
	t.Helper()
	queue := name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	result := make(chan error, 1)
	go func() {
		got, err := rpc.Call[int](context.Background(), client, at(queue), []int{1})
		if err == nil && got != 1 {
			err = fmt.Errorf("got %d", got)
		}
		result <- err
	}()
	rig.Ready(t, b, queue, 1)
	return func() {
		t.Helper()
		serving(t, b, queue, add(func() error { return nil }))
		require.NoError(t, <-result)
	}
}

// restricted is a broker whose user may publish to an exchange with the keys a to c alone, and a client on it.
func restricted(t *testing.T) (*rabbitmq.Broker, *rpc.Client, *amqp.Channel, string) {
	t.Helper()
	node, user, exchange := rabbitmqtest.Shared(t), name(), name()
	raw := rig.Raw(t, node.URL())
	require.NoError(t, raw.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
	node.AddUser(t, user, "secret")
	node.Permit(t, user, "/", ".*", ".*", ".*")
	node.PermitTopics(t, user, "/", exchange, "^[abc]$")
	b := rig.Open(t, node.URLFor(user, "secret", "/"))
	return b, calling(t, b), raw, exchange
}

func call(t *testing.T, client *rpc.Client, exchange, key string) error {
	t.Helper()
	_, err := rpc.Call[int](rig.Within(t), client, processor.Destination{Exchange: exchange, RoutingKey: key}, 1)
	return err
}

// A new key to it failed with the bare error, and the next known one closed the channel on which others
// waited for their replies.
func TestADeletedExchangeIsUnroutableAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	b, client, raw, exchange := restricted(t)
	require.ErrorIs(t, call(t, client, exchange, "a"), processor.ErrUnroutable, "bound to nothing")
	replied := waiting(t, b, client)
	require.NoError(t, raw.ExchangeDelete(exchange, false, false))
	for _, key := range []string{"b", "b", "a"} {
		err := call(t, client, exchange, key)
		require.ErrorIs(t, err, processor.ErrUnroutable)
		require.ErrorContains(t, err, "does not exist")
	}
	replied()
}

func TestATopicIsForbiddenAlsoAfterOneThatIsNot(t *testing.T) {
	t.Parallel()
	b, client, _, exchange := restricted(t)
	replied := waiting(t, b, client)
	for _, key := range []string{"a", "b"} {
		require.ErrorIs(t, call(t, client, exchange, key), processor.ErrUnroutable)
		require.ErrorIs(t, call(t, client, exchange, "not "+key), processor.ErrForbidden)
	}
	replied()
}

// Each key of any exchange was asked for, on a channel of its own.
func TestTheKeysOfAnExchangeWithoutTopicsCostNoChannels(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, exchange := rig.Open(t, node.URL()), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{{Name: exchange, Kind: broker.Topic}}}))
	client := calling(t, b)
	opened := func() int {
		n, err := strconv.Atoi(node.Eval(t, `element(4, hd(ets:tab2list(connection_churn_metrics)))`))
		require.NoError(t, err)
		return n
	}
	require.ErrorIs(t, call(t, client, exchange, "first"), processor.ErrUnroutable)
	before := opened()
	require.Positive(t, before)
	for i := range 50 {
		require.ErrorIs(t, call(t, client, exchange, strconv.Itoa(i)), processor.ErrUnroutable)
	}
	require.Less(t, opened()-before, 10)
}

// RabbitMQ says that it blocks at the first message, which may be that of the question.
func TestACallWhoseQuestionIsNotAnsweredWasBlocked(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := rig.Open(t, node.URL())
	client := calling(t, b)
	node.SetMemoryAlarm(t, true)
	defer node.SetMemoryAlarm(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := rpc.Call[int](ctx, client, at("q"), 1)
	require.ErrorIs(t, err, processor.ErrBlocked)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

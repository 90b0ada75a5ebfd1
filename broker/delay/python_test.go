package delay_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// python sends exactly what nameko-amqp-retry does, down to the type of each number.
type python struct {
	*testing.T
	*amqp.Channel
}

func newPython(t *testing.T, node *rabbitmqtest.Node) python {
	t.Helper()
	conn, err := amqp.Dial(node.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return python{t, ch}
}

// declare declares what Python does before each publish.
func (p python) declare(ms int32) {
	p.Helper()
	queue := "backoff--" + strconv.Itoa(int(ms)) + "ms"
	require.NoError(p, p.ExchangeDeclare("backoff", "headers", true, false, false, false, nil))
	_, err := p.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-expires": ms + 5000, "x-dead-letter-exchange": ""})
	require.NoError(p, err)
	require.NoError(p, p.QueueBind(queue, "", "backoff", false, amqp.Table{"backoff": ms, "x-match": "any"}))
}

// backOff delays a delivery. Headers come back as they were, x-death with them.
func (p python) backOff(d amqp.Delivery, queue string, ms int32) {
	p.Helper()
	p.declare(ms)
	headers := amqp.Table{"backoff": ms}
	for name, value := range d.Headers {
		if name != "backoff" {
			headers[name] = value
		}
	}
	confirm, err := p.PublishWithDeferredConfirm("backoff", queue, true, false, amqp.Publishing{
		Body: d.Body, Headers: headers, Expiration: strconv.Itoa(int(ms)), DeliveryMode: amqp.Persistent,
		ContentType: "application/json", ContentEncoding: "utf-8",
	})
	require.NoError(p, err)
	require.True(p, confirm.Wait())
}

// take waits for the next message of queue and acks it.
func (p python) take(queue string) amqp.Delivery {
	p.Helper()
	var d amqp.Delivery
	require.Eventually(p, func() bool {
		var ok bool
		var err error
		d, ok, err = p.Get(queue, true)
		return err == nil && ok
	}, patience, 5*time.Millisecond, queue)
	return d
}

// count is Python's count of the delays of a message.
func (p python) count(d amqp.Delivery) int64 {
	p.Helper()
	var sum int64
	deaths, _ := d.Headers["x-death"].([]any)
	for _, entry := range deaths {
		death, ok := entry.(amqp.Table)
		require.True(p, ok)
		if death["exchange"] == "backoff" { // Python fails where it is missing
			n, ok := death["count"].(int64)
			require.True(p, ok)
			sum += n
		}
	}
	return sum
}

// request publishes one as nameko does.
func (p python) request(queue, method string) {
	p.Helper()
	require.NoError(p, p.ExchangeDeclare("nameko-rpc", "topic", true, false, false, false, nil))
	require.NoError(p, p.QueueBind(queue, method, "nameko-rpc", false, nil))
	confirm, err := p.PublishWithDeferredConfirm("nameko-rpc", method, true, false, amqp.Publishing{
		Headers: amqp.Table{"nameko.call_id_stack": []any{"web.get.1"}}, Body: []byte(`{"args": [], "kwargs": {}}`),
	})
	require.NoError(p, err)
	require.True(p, confirm.Wait())
}

// delivered is d as Warren's broker would deliver it.
func delivered(d amqp.Delivery) processor.Message {
	return broker.NewDelivery(processor.Envelope{Body: d.Body, Headers: headers(d.Headers)},
		processor.Origin{Exchange: d.Exchange, RoutingKey: d.RoutingKey}, nil, d.DeliveryTag)
}

func headers(t amqp.Table) processor.Headers {
	h := processor.Headers{}
	for name, value := range t {
		h[name] = value
		if list, ok := value.([]any); ok {
			h[name] = entries(list)
		}
	}
	return h
}

func entries(list []any) []any {
	list = slices.Clone(list)
	for i := range list {
		if entry, ok := list[i].(amqp.Table); ok {
			list[i] = headers(entry)
		}
	}
	return list
}

package rabbitmq_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// deep is a table with so many tables in each other.
func deep(levels int) string {
	s := ""
	for range levels {
		s = header("t", "F", sized(s))
	}
	return s
}

// manyHeaders are n headers.
func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(header(fmt.Sprint(i), "V"))
	}
	return b.String()
}

// Each of these ended the consuming connection of the whole Broker, for as long as it was the first
// of its queue: a consumer of another queue processed 0 of 400 messages in 10 s.
func TestAMessageThatTheClientCannotReadStopsNobody(t *testing.T) {
	t.Parallel()
	mine := header("mine", longText("yes"))
	for name, row := range map[string]struct {
		table string
		check func(t *testing.T, h processor.Headers)
	}{
		"an integer of py-amqp": {header("n", "L\x00\x00\x01\x00\x00\x00\x00\x00"), func(t *testing.T, h processor.Headers) {
			t.Helper()
			require.Equal(t, int64(1<<40), h["n"])
		}},
		"an integer over the signed range": {header("n", "L\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"), func(t *testing.T, h processor.Headers) {
			t.Helper()
			require.Equal(t, int64(-2), h["n"], "as RabbitMQ reads it")
		}},
		"40 tables in each other": {header("deep", "F", sized(deep(40))), func(t *testing.T, h processor.Headers) {
			t.Helper()
			h, ok := h.Table("deep")
			for range 31 {
				require.True(t, ok)
				h, ok = h.Table("t")
			}
			require.Equal(t, []byte(deep(8)), h["t"])
		}},
		"9,000 in a list": {header("list", "A", sized(strings.Repeat("V", 9000))), func(t *testing.T, h processor.Headers) {
			t.Helper()
			require.Equal(t, []byte(strings.Repeat("V", 9000)), h["list"])
		}},
		"9,000 in a table": {header("table", "F", sized(manyHeaders(9000))), func(t *testing.T, h processor.Headers) {
			t.Helper()
			require.Len(t, h["table"], len(manyHeaders(9000)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := rabbitmqtest.Shared(t).URL()
			b := open(t, url)
			since := b.Consuming().State().Since
			bad, other := declareQueue(t, url, nil), declareQueue(t, url, nil)
			newRawPublisher(t, url).publish(t, bad, "bad", mine+row.table)
			sub := subscribe(t, b, bad, 1)
			requireProcesses400(t, b, other)
			msg := receive(t, sub)
			require.Equal(t, "bad", msg.Properties().ID)
			require.Equal(t, "body", string(msg.Body()))
			require.Equal(t, "yes", msg.Headers()["mine"])
			row.check(t, msg.Headers())
			require.NoError(t, msg.Ack())
			require.Equal(t, since, b.Consuming().State().Since, "the connection is the same")
		})
	}
}

// requireProcesses400 publishes 400 messages to a queue and receives them, within 10 s.
func requireProcesses400(t *testing.T, b *rabbitmq.Broker, queue string) {
	t.Helper()
	start := time.Now()
	sub := subscribe(t, b, queue, 20)
	go func() {
		for range 400 {
			if b.Publisher().Publish(t.Context(), to(queue), text("good")) != nil {
				return
			}
		}
	}()
	for range 400 {
		require.NoError(t, receive(t, sub).Ack())
	}
	require.Less(t, time.Since(start), 10*time.Second)
}

// Headers that the message does not have any more when a handler sees it: it gets none of them.
func TestAMessageWithoutAllItsHeadersIsParkedWithItsBody(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]func(t *testing.T, url, queue string){
		"9,000 headers": func(t *testing.T, url, queue string) {
			t.Helper()
			newRawPublisher(t, url).publish(t, queue, "bad", header("mine", longText("yes"))+manyHeaders(9000))
		},
		"over the frame with x-death": func(t *testing.T, url, queue string) {
			t.Helper()
			waiting := declareQueue(t, url, amqp.Table{"x-message-ttl": int32(1), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue})
			newRawPublisher(t, url).publish(t, waiting, "bad", header("mine", longText("yes"))+header("large", longText(strings.Repeat("l", 130_900))))
		},
	} {
		for _, parks := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, park key %v", name, parks), func(t *testing.T) {
				t.Parallel()
				url := rabbitmqtest.Shared(t).URL()
				b := open(t, url)
				parked := declareQueue(t, url, nil)
				work := declareQueue(t, url, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": parked})
				publish(t, url, work)
				layers := stack.New(ack.New())
				if parks {
					layers = layers.With(retry.New(b.Publisher(), "retry_%attempt%", retry.ParkKey(parked)))
				}
				handled := make(chan processor.Message, 1)
				p, err := layers.ThenFunc(func(_ context.Context, msg processor.Message) error {
					handled <- msg
					return nil
				})
				require.NoError(t, err)
				c, err := consumer.New(b.Source(work), p, consumer.Logger(slog.New(slog.DiscardHandler)))
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(within(t))
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				ready(t, b, parked, 1)
				cancel()
				require.NoError(t, <-ended)
				require.Empty(t, handled)
				requireProcesses400(t, b, declareQueue(t, url, nil))

				msg := receive(t, subscribe(t, b, parked, 1))
				require.Equal(t, "bad", msg.Properties().ID)
				require.Equal(t, "body", string(msg.Body()))
				if len(msg.Headers()) < 8000 { // RabbitMQ 4.x does not keep the order of many
					require.Equal(t, "yes", msg.Headers()["mine"])
				}
				if parks {
					require.NotContains(t, msg.Headers(), processor.HeaderUnreadable)
					require.NotEmpty(t, msg.Headers()["warren-original-headers"])
					require.Contains(t, msg.Headers()["warren-error"], processor.ErrUnreadable.Error())
				}
				require.NoError(t, msg.Ack())
				ready(t, b, work, 0)
			})
		}
	}
}

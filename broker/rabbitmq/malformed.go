package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// malformed settles a message whose x-death is not what the broker writes. Rejecting it
// crashes its queue: RabbitMQ 3.10.8 reads what a sender has written there when it adds
// the next death, and the queue dies at it again after each start.
type malformed struct {
	*generation
	envelope processor.Envelope
}

// isMalformed reports whether x-death is there, and is not a list of deaths.
func isMalformed(h processor.Headers) bool {
	death, there := h["x-death"]
	if !there {
		return false
	}
	_, err := broker.Prepare(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"x-death": death}})
	return err != nil
}

// Nack with requeue does what it always does. Without, the message goes to the end of its
// queue, without that header: it is processed once more, and can then be rejected.
func (m *malformed) Nack(tag uint64, requeue bool) error {
	if requeue {
		return m.generation.Nack(tag, true)
	}
	ctx, cancel := context.WithTimeout(m.broker.life, answerTimeout)
	defer cancel()
	log := m.broker.log.With(slog.String("queue", m.queue))
	copied := republish.Envelope(processor.NewDelivery(m.envelope, processor.Origin{}, m, tag))
	if err := m.broker.publisher.Publish(ctx, processor.Destination{RoutingKey: m.queue}, copied); err != nil {
		log.Error("message requeued, and not rejected: a sender has written a malformed x-death, which would crash its queue", slog.Any("error", err))
		return m.generation.Nack(tag, true)
	}
	log.Warn("message sent to the end of its queue, and not rejected: a sender had written a malformed x-death, which would have crashed the queue")
	if err := m.Ack(tag); err != nil {
		return fmt.Errorf("the message is in its queue twice: %w", err)
	}
	return nil
}

package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// malformed settles a message whose x-death is not what the broker writes, or may not be. When
// RabbitMQ 3.10.8 adds the next death it reads what the sender wrote there, and rejecting the message
// crashes its queue: a classic queue crashes again after each start, with all that it holds, and a
// quorum queue loses the message. From 4.0 on such an x-death is ignored.
type malformed struct {
	*generation
	message *broker.Delivery
}

// isMalformed reports whether x-death is present but is not a list of deaths, or is perhaps among
// the headers that could not be read. Of a header that is given twice h has the first, as the broker
// does: see package failover.
func isMalformed(h processor.Headers) bool {
	if _, unreadable := h[processor.HeaderUnreadable].([]byte); unreadable {
		return true
	}
	death, there := h["x-death"]
	if !there {
		return false
	}
	_, err := broker.Prepare(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"x-death": death}})
	return err != nil
}

const (
	// replaceTimeout is how long replacing such a message may take.
	replaceTimeout = 5 * time.Second
	// malformedPause is how long a message that cannot be replaced is held before it is requeued:
	// the code that rejected it does not know that it is redelivered.
	malformedPause = time.Second
)

// Nack replaces the message by a copy without its x-death, which is delivered and can be rejected
// like any other. Requeueing the message itself would not do: with a prefetch of 1, a queue that
// redelivers it first delivers nothing else. It is requeued only where the broker does not take the
// copy.
func (m *malformed) Nack(tag uint64, requeue bool) error {
	if requeue || m.shared.Lost() || !version.Of(m.session.ServerProperties()).ReadsDeaths() {
		return m.generation.Nack(tag, requeue)
	}
	log := m.broker.life.Log.With(slog.String("queue", m.queue), slog.String("message_id", m.message.Properties().ID))
	err := m.replace()
	if err == nil {
		log.Warn("message not rejected: a sender has written a malformed x-death, which would crash the queue; replaced by a copy without, which comes again")
		return m.Ack(tag)
	}
	log.Error("message given back, and not rejected: a sender has written a malformed x-death, which would crash the queue, and a copy without could not be published; "+
		"park what fails under a park key, which leaves x-death out, or remove the message by hand", logattr.Err(err))
	life.Sleep(m.shared.Life(), malformedPause)
	return m.generation.Nack(tag, true)
}

// replace publishes the copy to the queue, and to no other.
func (m *malformed) replace() error {
	ctx, cancel := context.WithTimeout(m.shared.Life(), replaceTimeout)
	defer cancel()
	e := republish.Again(m.message, time.Now())
	e.Expiration = m.message.Properties().Expiration // it waits for nothing
	if saved, before := m.message.Headers()[republish.HeaderOriginalExpiration]; before {
		e.Headers[republish.HeaderOriginalExpiration] = saved
	} else {
		delete(e.Headers, republish.HeaderOriginalExpiration)
	}
	if _, unreadable := m.message.Headers()[processor.HeaderUnreadable]; unreadable {
		e.Headers[processor.HeaderUnreadable] = true // the copy is to be rejected as well
	}
	if err := m.broker.publisher.Publish(ctx, processor.Destination{RoutingKey: m.queue}, e); err != nil {
		return fmt.Errorf("replace the message: %w", err)
	}
	return nil
}

package rabbitmq

import (
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// malformed settles a message whose x-death is not what the broker writes. Rejecting it
// crashes its queue: RabbitMQ 3.10.8 reads what a sender has written there when it adds
// the next death. A classic queue dies at it again after each start, with all that it
// holds, and a quorum queue loses the message.
type malformed struct{ *generation }

// isMalformed reports whether x-death is there, and is not a list of deaths.
func isMalformed(h processor.Headers) bool {
	death, there := h["x-death"]
	if !there {
		return false
	}
	_, err := broker.Prepare(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"x-death": death}})
	return err != nil
}

// malformedPause is how long such a message is held before it goes round once more.
const malformedPause = time.Second

// Nack gives the message back in place of rejecting it. It waits before that: whoever asked
// for the rejection does not know that the message comes again.
func (m malformed) Nack(tag uint64, requeue bool) error {
	if requeue || m.life.Err() != nil {
		return m.generation.Nack(tag, true)
	}
	m.broker.log.Error("message given back, and not rejected: a sender has written a malformed x-death, which would crash the queue; "+
		"park what fails under a final key, which leaves x-death out, or remove the message by hand", slog.String("queue", m.queue))
	pause := time.NewTimer(malformedPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-m.life.Done():
	case <-m.broker.life.Done():
	}
	return m.generation.Nack(tag, true)
}

package processortest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/gowarren/warren/processor"
)

// Settlement is one call of Ack, Nack or Release.
type Settlement string

// The settlements.
const (
	Acked    Settlement = "ack"
	Requeued Settlement = "nack with requeue"
	Rejected Settlement = "nack without requeue"
	Released Settlement = "release"
)

// Message is a fake message that records each attempt to settle it, also those that
// a real message refuses because it is settled already. It is safe for many goroutines.
type Message struct {
	envelope processor.Envelope
	origin   processor.Origin

	mu       sync.Mutex
	attempts []Settlement
	failure  error
}

var _ processor.Message = (*Message)(nil)

// Option changes a fake message.
type Option func(*Message)

// Body sets the body. Default: empty.
func Body(b string) Option { return func(m *Message) { m.envelope.Body = []byte(b) } }

// Header sets one header. Default: there are none.
func Header(name string, value any) Option {
	return func(m *Message) {
		m.envelope.Headers = m.envelope.Headers.Clone()
		m.envelope.Headers[name] = value
	}
}

// Properties sets the properties. Default: the message id is "test-message".
func Properties(p processor.Properties) Option {
	return func(m *Message) { m.envelope.Properties = p }
}

// Origin sets where the message was taken from. Default: queue "test-queue", exchange
// "test-exchange", key "test-key".
func Origin(o processor.Origin) Option { return func(m *Message) { m.origin = o } }

// FailSettling makes each settlement return err, as a broken channel does. The message
// counts as settled all the same.
func FailSettling(err error) Option { return func(m *Message) { m.failure = err } }

// NewMessage returns a message that is not settled yet.
func NewMessage(opts ...Option) *Message {
	m := &Message{origin: processor.Origin{Queue: "test-queue", Exchange: "test-exchange", RoutingKey: "test-key"}}
	m.envelope.ID = "test-message"
	for _, o := range opts {
		o(m)
	}
	return m
}

// Body returns the body.
func (m *Message) Body() []byte { return m.envelope.Body }

// Headers returns the headers; nil if there are none.
func (m *Message) Headers() processor.Headers { return m.envelope.Headers }

// Properties returns the properties.
func (m *Message) Properties() processor.Properties { return m.envelope.Properties }

// Origin returns where the message was taken from.
func (m *Message) Origin() processor.Origin { return m.origin }

// Ack settles the message.
func (m *Message) Ack() error { return m.settle(Acked) }

// Nack settles the message.
func (m *Message) Nack(requeue bool) error {
	if requeue {
		return m.settle(Requeued)
	}
	return m.settle(Rejected)
}

// Release gives the message back.
func (m *Message) Release() error { return m.settle(Released) }

func (m *Message) settle(s Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attempts = append(m.attempts, s)
	if len(m.attempts) > 1 {
		return processor.ErrSettled
	}
	return m.failure
}

// Settled reports whether the message is settled.
func (m *Message) Settled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.attempts) > 0
}

// Returned reports whether the message went back to its queue, by Release or by Nack with
// requeue.
func (m *Message) Returned() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.attempts) > 0 && (m.attempts[0] == Requeued || m.attempts[0] == Released)
}

// Settlements returns every attempt to settle the message, in order; a correct stack
// makes at most one.
func (m *Message) Settlements() []Settlement {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.attempts)
}

// Reset forgets the settlements, so that a benchmark can use the message again.
func (m *Message) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attempts = m.attempts[:0]
}

// String names the message and its settlements.
func (m *Message) String() string {
	return fmt.Sprintf("message %q %q", m.envelope.ID, m.Settlements())
}

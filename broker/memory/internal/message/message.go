// Package message has messages as the broker keeps them, and what their deaths leave in their headers.
package message

import (
	"bytes"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/version"
	"github.com/gowarren/warren/processor"
)

// Message never changes once it is published, so queues and deliveries share it.
type Message struct {
	Envelope processor.Envelope
	Exchange string
	// Keys are the routing key, then those of CC, then those of BCC.
	Keys []string
	// shown is how many of Keys consumers may see: all but those of BCC.
	shown int

	// dead: it has died before, and this broker has written x-death.
	dead bool
	// Failures are those in the queue that it died in; see [version.Carried].
	Failures int64

	// round and Hops count how often the message was dead-lettered within one round of
	// forwarding, with no consumer and no time in between.
	round uint64
	Hops  int
}

// New copies e, with its properties as the wire would have them.
func New(to processor.Destination, e processor.Envelope, model *version.Model) (*Message, error) {
	e, err := broker.Prepare(to, e) // a copy of the headers
	if err != nil {
		return nil, err
	}
	if len(e.Body) > model.MaxBody {
		return nil, fmt.Errorf("memory: publish to %v: %w: the body has %d bytes, the limit of RabbitMQ %d.%d is %d by default",
			to, processor.ErrTooLarge, len(e.Body), model.Major, model.Minor, model.MaxBody)
	}
	e.Body = bytes.Clone(e.Body)
	e.Expiration = (e.Expiration + time.Millisecond - 1).Truncate(time.Millisecond) // rounded up
	if e.Timestamp.Unix() == 0 {
		e.Timestamp = time.Time{} // as package amqpwire reads it
	} else if !e.Timestamp.IsZero() {
		e.Timestamp = e.Timestamp.UTC().Truncate(time.Second)
	}
	m := &Message{Exchange: to.Exchange, Keys: []string{to.RoutingKey}}
	m.addKeys(e.Headers, "CC")
	m.shown = len(m.Keys)
	m.addKeys(e.Headers, "BCC")
	delete(e.Headers, "BCC") // hidden from consumers
	m.Envelope = e
	return m, nil
}

// addKeys adds the routing keys of the header CC or BCC.
func (m *Message) addKeys(h processor.Headers, name string) {
	keys, _ := h.List(name)
	for _, key := range keys {
		if key, ok := key.(string); ok { // Prepare has checked it
			m.Keys = append(m.Keys, key)
		}
	}
}

// Size is the length of the body.
func (m *Message) Size() int64 { return int64(len(m.Envelope.Body)) }

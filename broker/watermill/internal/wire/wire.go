// Package wire converts Watermill messages for RabbitMQ: as watermill-amqp writes and reads them,
// with types and properties besides.
package wire

import (
	"cmp"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

const (
	// UUIDHeader is where watermill-amqp keeps a message's UUID, unless it is told otherwise.
	UUIDHeader = "_watermill_message_uuid"
	// correlationHeader is where it keeps the correlation id of Watermill's middleware.
	correlationHeader = "correlation_id"
	// idKey is the metadata for a message id that is not the UUID.
	idKey = "_warren_message_id"
	// reservedKey is the metadata with types and properties, as in package watermill.
	reservedKey = "_warren"
)

// Message returns a message taken from RabbitMQ as a Watermill message. Its UUID is the header's,
// or else the message id. Since the message may be republished unchanged, or copied by a
// middleware, what would harm a copy is moved elsewhere.
func Message(e processor.Envelope) *message.Message {
	e.Headers = e.Headers.Clone()
	unfold(&e)
	save(&e)
	id := e.ID
	if uuid, ok := e.Headers[UUIDHeader].(string); ok {
		e.ID = cmp.Or(uuid, e.ID)
		delete(e.Headers, UUIDHeader)
	}
	if correlation, ok := e.Headers[correlationHeader].(string); ok && (e.CorrelationID == "" || e.CorrelationID == correlation) {
		e.CorrelationID = correlation
		delete(e.Headers, correlationHeader)
	}
	msg := watermill.NewMessage(e)
	delete(msg.Metadata, idKey) // reserved for us
	if id != "" && id != e.ID {
		msg.Metadata[idKey] = id
	}
	return msg
}

// unfold restores a message that was read here and then written by watermill-amqp's own marshaler:
// headers of every type became text, and so did the entry with their types. Left like this, that
// would be quoted in the next such entry, and double in length with each round. What the message
// itself has counts more.
func unfold(e *processor.Envelope) {
	if _, folded := e.Headers[reservedKey].(string); !folded {
		return
	}
	metadata := message.Metadata{}
	for name, value := range e.Headers {
		if text, ok := value.(string); ok && name != UUIDHeader && name != correlationHeader {
			metadata[name] = text
			delete(e.Headers, name)
		}
	}
	said := watermill.EnvelopeOf(&message.Message{Metadata: metadata})
	for name, value := range said.Headers {
		if _, there := e.Headers[name]; !there {
			e.Headers[name] = value
		}
	}
	e.Properties = either(e.Properties, said.Properties)
}

// either has the properties of p, and those of q that p lacks; but no user id, which the broker has
// checked in p alone.
func either(p, q processor.Properties) processor.Properties {
	p.ReplyTo = cmp.Or(p.ReplyTo, q.ReplyTo)
	p.Type = cmp.Or(p.Type, q.Type)
	p.AppID = cmp.Or(p.AppID, q.AppID)
	p.ContentType = cmp.Or(p.ContentType, q.ContentType)
	p.ContentEncoding = cmp.Or(p.ContentEncoding, q.ContentEncoding)
	p.Expiration = cmp.Or(p.Expiration, q.Expiration)
	if p.Priority == 0 && !p.PriorityZero {
		p.Priority, p.PriorityZero = q.Priority, q.PriorityZero
	}
	if p.Timestamp.IsZero() {
		p.Timestamp = q.Timestamp
	}
	return p
}

// save changes the properties as a retry changes those of a copy.
func save(e *processor.Envelope) {
	if e.Expiration > 0 {
		e.Headers[republish.HeaderOriginalExpiration] = strconv.FormatInt(int64((e.Expiration-1)/time.Millisecond)+1, 10)
		e.Expiration = 0
	}
	if e.UserID != "" {
		e.Headers[republish.HeaderOriginalUserID] = e.UserID
		e.UserID = ""
	}
	e.Transient = false
}

// Envelope returns msg as published to RabbitMQ: with its UUID and its correlation id both as
// properties, for all readers, and as headers, for watermill-amqp, and without what the broker
// wrote into the message that it is a copy of.
func Envelope(msg *message.Message) processor.Envelope {
	e := watermill.EnvelopeOf(msg)
	e.Headers = e.Headers.Clone()
	republish.Strip(e.Headers)
	id, _ := e.Headers[idKey].(string)
	delete(e.Headers, idKey)
	if e.ID != "" {
		e.Headers[UUIDHeader] = e.ID
		e.ID = cmp.Or(id, e.ID)
	}
	if _, taken := e.Headers[correlationHeader]; !taken && e.CorrelationID != "" {
		e.Headers[correlationHeader] = e.CorrelationID
	}
	e.ID = fitting(e.ID)
	e.CorrelationID = fitting(e.CorrelationID)
	return e
}

// fitting drops a value too long for a property; the header has it.
func fitting(s string) string {
	if len(s) > processor.MaxName {
		return ""
	}
	return s
}

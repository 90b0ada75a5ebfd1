// Package wire is how messages of Watermill's travel through RabbitMQ: as watermill-amqp
// writes and reads them, with the types and properties that it has no room for.
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
	// correlationHeader is where it keeps what Watermill's middleware has put in the metadata.
	correlationHeader = "correlation_id"
	// idKey is the metadata that has a message id which is not the UUID.
	idKey = "_warren_message_id"
)

// maxProperty is the most bytes of a property in AMQP.
const maxProperty = 255

// Message returns what was taken from RabbitMQ as a message of Watermill's. Its UUID is the
// header's, or else the message id. What would harm a copy is moved to where it does not: the
// message may be published again as it is, or be copied by a middleware.
func Message(e processor.Envelope) *message.Message {
	e.Headers = e.Headers.Clone()
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
	delete(msg.Metadata, idKey) // nobody's but ours
	if id != "" && id != e.ID {
		msg.Metadata[idKey] = id
	}
	return msg
}

// save does to the properties what a retry does to those of a copy.
func save(e *processor.Envelope) {
	if e.Expiration > 0 {
		e.Headers[republish.HeaderOriginalExpiration] = strconv.FormatInt(int64((e.Expiration+time.Millisecond-1)/time.Millisecond), 10)
		e.Expiration = 0
	}
	if e.UserID != "" {
		e.Headers[republish.HeaderOriginalUserID] = e.UserID
		e.UserID = ""
	}
	e.Transient = false
}

// Envelope returns msg as it is published to RabbitMQ: with its UUID and its correlation id
// both as properties, for everybody, and as headers, for watermill-amqp, and without what
// the broker wrote into the message that it is a copy of.
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

// fitting leaves out what no property has room for; the header has it.
func fitting(s string) string {
	if len(s) > maxProperty {
		return ""
	}
	return s
}

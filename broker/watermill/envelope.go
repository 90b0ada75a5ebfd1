package watermill

import (
	"encoding/json"
	"math"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
)

// Entries of the metadata that are not headers.
const (
	// reservedKey has what metadata, which is text, cannot say: see [reserved].
	reservedKey = "_warren"
	// correlationKey is where Watermill's middleware keeps a correlation id.
	correlationKey = "correlation_id"
)

// maxReserved is the most bytes of the reserved entry that are read.
const maxReserved = 1 << 20

// reserved is the entry of the metadata that makes types and properties survive, as JSON.
// A sender may have written it.
type reserved struct {
	// Kinds are those of the headers that are not text.
	Kinds map[string]string `json:"kinds,omitempty"`
	// Headers are those whose names mean something else in metadata, with their kinds.
	Headers map[string]any `json:"headers,omitempty"`

	ReplyTo         string `json:"replyTo,omitempty"`
	Type            string `json:"type,omitempty"`
	AppID           string `json:"appId,omitempty"`
	UserID          string `json:"userId,omitempty"`
	ContentType     string `json:"contentType,omitempty"`
	ContentEncoding string `json:"contentEncoding,omitempty"`
	Expiration      int64  `json:"expirationMs,omitempty"`
	Timestamp       *int64 `json:"timestamp,omitempty"` // seconds; nil is none
	Priority        uint8  `json:"priority,omitempty"`
	Transient       bool   `json:"transient,omitempty"`
}

// newMessage returns e as a message of Watermill's. It shares the body.
func newMessage(e processor.Envelope) *message.Message {
	msg := message.NewMessage(e.ID, e.Body)
	msg.Metadata = metadata(e.Headers, e.Properties)
	return msg
}

// envelopeOf returns msg as an envelope. It shares the body.
func envelopeOf(msg *message.Message) processor.Envelope {
	e := processor.Envelope{Body: msg.Payload}
	e.Headers, e.Properties = readMetadata(msg.Metadata)
	e.ID = msg.UUID
	return e
}

// metadata returns what a message has beside its body and its id. Headers of a type that no
// broker carries are left out.
func metadata(h processor.Headers, p processor.Properties) message.Metadata {
	m := make(message.Metadata, len(h)+2)
	r := propertiesEntry(p)
	for name, value := range h {
		if name == reservedKey || name == correlationKey {
			r.keep(name, value)
			continue
		}
		kind, text, ok := encode(value)
		if !ok {
			continue
		}
		m[name] = text
		if kind != "" {
			r.setKind(name, kind)
		}
	}
	if p.CorrelationID != "" {
		m[correlationKey] = p.CorrelationID
	}
	if b, err := json.Marshal(r); err == nil && len(b) > len("{}") {
		m[reservedKey] = string(b)
	}
	return m
}

func propertiesEntry(p processor.Properties) *reserved {
	r := &reserved{
		ReplyTo: p.ReplyTo, Type: p.Type, AppID: p.AppID, UserID: p.UserID,
		ContentType: p.ContentType, ContentEncoding: p.ContentEncoding,
		Priority: p.Priority, Transient: p.Transient,
	}
	r.Expiration = int64((p.Expiration + time.Millisecond - 1) / time.Millisecond)
	if !p.Timestamp.IsZero() {
		seconds := p.Timestamp.Unix()
		r.Timestamp = &seconds
	}
	return r
}

func (r *reserved) keep(name string, value any) {
	if r.Headers == nil {
		r.Headers = map[string]any{}
	}
	if tagged, ok := tag(value); ok {
		r.Headers[name] = tagged
	}
}

func (r *reserved) setKind(name, kind string) {
	if r.Kinds == nil {
		r.Kinds = map[string]string{}
	}
	r.Kinds[name] = kind
}

// readMetadata is the inverse of metadata. Without a reserved entry, and where it makes no
// sense, headers are text and there are no properties but the correlation id.
func readMetadata(m message.Metadata) (processor.Headers, processor.Properties) {
	r := readReserved(m[reservedKey])
	p := r.properties()
	p.CorrelationID = m[correlationKey]
	if len(m) == 0 {
		return nil, p
	}
	h := make(processor.Headers, len(m))
	for name, text := range m {
		if name != reservedKey && name != correlationKey {
			h[name] = typed(r.Kinds[name], text)
		}
	}
	for _, name := range [...]string{reservedKey, correlationKey} {
		if value, ok := untag(r.Headers[name]); ok {
			h[name] = value
		}
	}
	return h, p
}

// typed returns text as a value of a kind, or as it is if it is no such value.
func typed(kind, text string) any {
	if value, ok := decode(kind, text); ok {
		return value
	}
	return text
}

func readReserved(text string) reserved {
	var r reserved
	if text == "" || len(text) > maxReserved || json.Unmarshal([]byte(text), &r) != nil {
		return reserved{}
	}
	return r
}

func (r reserved) properties() processor.Properties {
	p := processor.Properties{
		ReplyTo: r.ReplyTo, Type: r.Type, AppID: r.AppID, UserID: r.UserID,
		ContentType: r.ContentType, ContentEncoding: r.ContentEncoding,
		Priority: r.Priority, Transient: r.Transient,
	}
	const longest = math.MaxInt64 / int64(time.Millisecond)
	p.Expiration = time.Duration(min(max(r.Expiration, 0), longest)) * time.Millisecond
	if r.Timestamp != nil {
		p.Timestamp = time.Unix(*r.Timestamp, 0)
	}
	return p
}

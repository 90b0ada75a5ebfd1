package watermill

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
)

// Entries of the metadata that are not headers.
const (
	// reservedKey holds what metadata, which is text, cannot express: see [reserved].
	reservedKey = "_warren"
	// correlationKey is where Watermill's middleware keeps a correlation id.
	correlationKey = "correlation_id"
)

// maxReserved is the most bytes of the reserved entry that are read.
const maxReserved = 1 << 20

// reserved is the entry of the metadata that preserves types and properties, as JSON. A sender may
// have written it.
type reserved struct {
	// Kinds are the kinds of headers that are not text.
	Kinds map[string]string `json:"kinds,omitempty"`
	// Headers are those whose names have another meaning in metadata, and those that some brokers'
	// metadata would change, with their kinds.
	Headers map[string]any `json:"headers,omitempty"`

	ReplyTo         string `json:"replyTo,omitempty"`
	Type            string `json:"type,omitempty"`
	AppID           string `json:"appId,omitempty"`
	UserID          string `json:"userId,omitempty"`
	ContentType     string `json:"contentType,omitempty"`
	ContentEncoding string `json:"contentEncoding,omitempty"`
	Expiration      int64  `json:"expirationMs,omitempty"`
	Timestamp       *int64 `json:"timestamp,omitempty"` // seconds; nil if there is none
	Priority        uint8  `json:"priority,omitempty"`
	PriorityZero    bool   `json:"priorityZero,omitempty"`
	Transient       bool   `json:"transient,omitempty"`
}

// newMessage returns e as a Watermill message, without headers of types that no broker carries. It
// shares the body.
func newMessage(e processor.Envelope) *message.Message {
	msg, _ := convert(e)
	return msg
}

// convert is newMessage with an error that names the headers left out.
func convert(e processor.Envelope) (*message.Message, error) {
	msg := message.NewMessage(e.ID, e.Body)
	r := propertiesEntry(e.Properties)
	unknown := r.fill(msg.Metadata, e.Headers)
	if e.CorrelationID != "" {
		msg.Metadata[correlationKey] = e.CorrelationID
	}
	if b, err := json.Marshal(r); err == nil && len(b) > len("{}") {
		msg.Metadata[reservedKey] = string(b)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return msg, fmt.Errorf("watermill: %w: %q", processor.ErrHeaderType, unknown)
	}
	return msg, nil
}

// envelopeOf returns msg as an envelope. It shares the body.
func envelopeOf(msg *message.Message) processor.Envelope {
	e := processor.Envelope{Body: msg.Payload}
	e.Headers, e.Properties = readMetadata(msg.Metadata)
	e.ID = msg.UUID
	return e
}

// fill writes headers into m, and what is needed to read them into r. It returns the names of those
// that it cannot write.
func (r *reserved) fill(m message.Metadata, h processor.Headers) (unknown []string) {
	for name, value := range h {
		if name == reservedKey || name == correlationKey {
			if !r.keep(name, value) {
				unknown = append(unknown, name)
			}
			continue
		}
		kind, text, ok := encode(value)
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		m[name] = text
		if kind != "" {
			r.setKind(name, kind)
		}
		if isFragile(name, text) {
			r.keep(name, value)
		}
	}
	return unknown
}

func propertiesEntry(p processor.Properties) *reserved {
	r := &reserved{
		ReplyTo: p.ReplyTo, Type: p.Type, AppID: p.AppID, UserID: p.UserID,
		ContentType: p.ContentType, ContentEncoding: p.ContentEncoding,
		Priority: p.Priority, PriorityZero: p.PriorityZero, Transient: p.Transient,
	}
	r.Expiration = int64(max(p.Expiration, 0) / time.Millisecond)
	if p.Expiration%time.Millisecond > 0 {
		r.Expiration++
	}
	if !p.Timestamp.IsZero() {
		seconds := p.Timestamp.Unix()
		r.Timestamp = &seconds
	}
	return r
}

func (r *reserved) keep(name string, value any) bool {
	if r.Headers == nil {
		r.Headers = map[string]any{}
	}
	tagged, ok := tag(value)
	if ok {
		r.Headers[name] = tagged
	}
	return ok
}

func (r *reserved) setKind(name, kind string) {
	if r.Kinds == nil {
		r.Kinds = map[string]string{}
	}
	r.Kinds[name] = kind
}

// readMetadata is the inverse of convert. Without a valid reserved entry, headers are text and the
// correlation id is the only property.
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
	for name, tagged := range r.Headers {
		if value, ok := untag(tagged); ok && counts(m, name, value) {
			h[name] = value
		}
	}
	return h, p
}

// counts reports whether a header has the value of the reserved entry and not of m: its name has
// another meaning in m, or HTTP does not allow the name, or m has what HTTP makes of the value.
// Otherwise the entry of m was changed or deleted on the way.
func counts(m message.Metadata, name string, value any) bool {
	if name == reservedKey || name == correlationKey {
		return true
	}
	text, there := m[name]
	if !there {
		return !isToken(name)
	}
	exact, isText := value.(string)
	return isText && exact != text && asHTTP(exact) == text
}

// typed returns text as a value of a kind, or as text if it is no such value.
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
		Priority: r.Priority, PriorityZero: r.PriorityZero, Transient: r.Transient,
	}
	const longest = math.MaxInt64 / int64(time.Millisecond)
	p.Expiration = time.Duration(min(max(r.Expiration, 0), longest)) * time.Millisecond
	if r.Timestamp != nil {
		p.Timestamp = time.Unix(*r.Timestamp, 0)
	}
	return p
}

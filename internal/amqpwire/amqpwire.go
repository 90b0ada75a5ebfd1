// Package amqpwire translates between Warren's messages and those of the AMQP client.
package amqpwire

import (
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/processor"
)

// Envelope is the message of a delivery, in Warren's types. It takes over the body and the map of the
// headers: a copy of that would be a tenth of what the delivery of a small message allocates.
func Envelope(d *amqp.Delivery) processor.Envelope {
	zero := hasPriority0(d)
	return processor.Envelope{
		Body:    d.Body,
		Headers: takeOver(d.Headers),
		Properties: processor.Properties{
			ID:              d.MessageId,
			CorrelationID:   d.CorrelationId,
			ReplyTo:         d.ReplyTo,
			Type:            d.Type,
			AppID:           d.AppId,
			UserID:          d.UserId,
			ContentType:     d.ContentType,
			ContentEncoding: d.ContentEncoding,
			Expiration:      expiration(d.Expiration),
			Timestamp:       utc(d.Timestamp),
			Priority:        d.Priority,
			PriorityZero:    zero,
			Transient:       d.DeliveryMode != amqp.Persistent,
		},
	}
}

// Publishing is e in the client's types. Its headers have been through broker.Prepare.
func Publishing(e processor.Envelope) amqp.Publishing {
	p := amqp.Publishing{
		Body:            e.Body,
		Headers:         Table(e.Headers),
		MessageId:       e.ID,
		CorrelationId:   e.CorrelationID,
		ReplyTo:         e.ReplyTo,
		Type:            e.Type,
		AppId:           e.AppID,
		UserId:          e.UserID,
		ContentType:     e.ContentType,
		ContentEncoding: e.ContentEncoding,
		Timestamp:       e.Timestamp,
		Priority:        e.Priority,
		DeliveryMode:    amqp.Persistent,
	}
	if e.Transient {
		p.DeliveryMode = amqp.Transient
	}
	if e.Expiration > 0 {
		milliseconds := (e.Expiration + time.Millisecond - 1) / time.Millisecond
		p.Expiration = strconv.FormatInt(int64(milliseconds), 10)
	}
	return p
}

// expiration reads whole milliseconds, which the broker has checked.
func expiration(s string) time.Duration {
	if s == "" { // the error that this would be costs an allocation
		return 0
	}
	milliseconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(max(milliseconds, 0), argument.LongestTime.Milliseconds())) * time.Millisecond
}

// utc is t, or none if it is 0 seconds: pecl-amqp writes that where a message has no timestamp.
func utc(t time.Time) time.Time {
	if t.IsZero() || t.Unix() == 0 {
		return time.Time{}
	}
	return t.UTC()
}

// Headers is t in Warren's types; nil stays nil.
func Headers(t amqp.Table) processor.Headers {
	if t == nil {
		return nil
	}
	h := make(processor.Headers, len(t))
	for name, value := range t {
		h[name] = fromWire(value)
	}
	return h
}

// differs reports whether a header's value has another type in Warren.
func differs(v any) bool {
	switch v.(type) {
	case amqp.Table, []any, amqp.Decimal, time.Time:
		return true
	}
	return false
}

func fromWire(v any) any {
	switch v := v.(type) {
	case amqp.Table:
		return Headers(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = fromWire(item)
		}
		return list
	case amqp.Decimal:
		return processor.Decimal{Scale: v.Scale, Value: v.Value}
	case time.Time:
		return v.UTC()
	}
	return v
}

// Table is h in the client's types; nil stays nil.
func Table(h processor.Headers) amqp.Table {
	if h == nil {
		return nil
	}
	t := make(amqp.Table, len(h))
	for name, value := range h {
		t[name] = toWire(value)
	}
	return t
}

func toWire(v any) any {
	switch v := v.(type) {
	case processor.Headers:
		return Table(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = toWire(item)
		}
		return list
	case processor.Decimal:
		return amqp.Decimal{Scale: v.Scale, Value: v.Value}
	}
	return v
}

package republish

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// The headers that the first failure writes, and that every copy has.
const (
	HeaderOriginalExchange = "warren-original-exchange"
	HeaderOriginalKey      = "warren-original-routing-key"
	HeaderFirstFailedAt    = "warren-first-failed-at"
)

// OriginHeaders are the headers that the first failure writes.
var OriginHeaders = []string{HeaderOriginalExchange, HeaderOriginalKey, HeaderFirstFailedAt}

// Again is a copy of msg for another attempt. The first failure is recorded on it: where
// the message was published to, and when it failed. It is the first if the count of retries is 0,
// and overwrites the headers of a sender. The count is a sender's claim
// too: with a count of 1 a forged origin is kept. The origin is for operators to read, and
// nothing may be routed by it.
func Again(msg processor.Message, at time.Time) processor.Envelope {
	e := Envelope(msg)
	if Retries(e.Headers) == 0 {
		o := msg.Origin()
		e.Headers[HeaderOriginalExchange] = o.Exchange
		e.Headers[HeaderOriginalKey] = o.RoutingKey
		e.Headers[HeaderFirstFailedAt] = onWire(at)
	}
	return e
}

// Origin is where msg was first published to, by its headers, which are a
// sender's claim. If they are absent or cannot be names, or if msg has not failed yet, it
// is where msg was published to. The other fields are those of msg.
func Origin(msg processor.Message) processor.Origin {
	o, h := msg.Origin(), msg.Headers()
	if _, parked := h[HeaderFailures]; Retries(h) == 0 && !parked {
		return o
	}
	exchange, there := h.String(HeaderOriginalExchange)
	key, keyed := h.String(HeaderOriginalKey)
	if there && keyed && len(exchange) <= processor.MaxName && len(key) <= processor.MaxName {
		o.Exchange, o.RoutingKey = exchange, key
	}
	return o
}

// FirstFailure is when a message with headers h failed for the first time: now, unless they have an
// earlier time. They are a sender's claim.
func FirstFailure(h processor.Headers, now time.Time) time.Time {
	if at, ok := Time(h, HeaderFirstFailedAt); ok && at.Before(now) && Retries(h) > 0 {
		return at
	}
	return now
}

// onWire is t in the form of Warren's headers: text, to the millisecond. It is no timestamp, because
// with php-amqplib Swarrot can read one and not publish it again: it would lose the message.
func onWire(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Time reads a time from a header of Warren's. It also accepts a timestamp.
func Time(h processor.Headers, name string) (time.Time, bool) {
	if at, ok := h.Time(name); ok {
		return at, true
	}
	text, _ := h.String(name)
	at, err := time.Parse(time.RFC3339, text)
	return at.UTC(), err == nil
}

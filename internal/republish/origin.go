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

// OriginHeaders are those that the first failure writes.
var OriginHeaders = []string{HeaderOriginalExchange, HeaderOriginalKey, HeaderFirstFailedAt}

// Again is a copy of msg for another attempt. The first failure is recorded on it: where
// the message was published to, and when it failed. A count of retries of 0 makes it the
// first, and overwrites what a sender may have claimed. The count is a sender's claim
// too: one who writes a count of 1 keeps a forged origin. It is for people to read, and
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

// Origin is where msg was first published to, as far as its headers say: they are a
// sender's claim. Without them, if they cannot be names, and if it has not failed yet, it
// is where it was published to. The rest is of the message as it is.
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

// FirstFailure is when msg failed for the first time, at now unless its headers say
// that it was before: they are a sender's claim.
func FirstFailure(h processor.Headers, now time.Time) time.Time {
	if at, ok := Time(h, HeaderFirstFailedAt); ok && at.Before(now) && Retries(h) > 0 {
		return at
	}
	return now
}

// onWire is t as our headers have it: text, to the millisecond. A timestamp would do but for
// php-amqplib, with which Swarrot can read one and not publish it again: it would lose the
// message.
func onWire(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Time reads a time from a header of ours. A timestamp will do, too.
func Time(h processor.Headers, name string) (time.Time, bool) {
	if at, ok := h.Time(name); ok {
		return at, true
	}
	text, _ := h.String(name)
	at, err := time.Parse(time.RFC3339, text)
	return at.UTC(), err == nil
}

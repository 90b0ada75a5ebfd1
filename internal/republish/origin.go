package republish

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// The headers about where a message comes from, which every copy has.
const (
	HeaderOriginalExchange = "warren-original-exchange"
	HeaderOriginalKey      = "warren-original-routing-key"
	HeaderFirstFailedAt    = "warren-first-failed-at"
	// HeaderOriginalQueue is the queue that the message was taken from when it failed. Each copy
	// says it anew.
	HeaderOriginalQueue = "warren-original-queue"
)

// OriginHeaders are those about the first publish and the first failure.
var OriginHeaders = []string{HeaderOriginalExchange, HeaderOriginalKey, HeaderFirstFailedAt}

// Again is a copy of msg for another attempt. It records the queue that msg was taken from, and,
// unless an earlier failure has ([recorded]), where msg was published to. The time of the first
// failure is written if the count of retries is 0, or if there is none.
//
// All of that is a sender's claim, and nothing may be routed by it unchecked.
func Again(msg processor.Message, at time.Time) processor.Envelope {
	e, o := Envelope(msg), msg.Origin()
	if _, known := recorded(msg); !known {
		e.Headers[HeaderOriginalExchange] = o.Exchange
		e.Headers[HeaderOriginalKey] = o.RoutingKey
	}
	if _, known := Time(e.Headers, HeaderFirstFailedAt); !known || Retries(e.Headers) == 0 {
		e.Headers[HeaderFirstFailedAt] = onWire(at)
	}
	if e.Headers[HeaderOriginalQueue] = o.Queue; o.Queue == "" {
		delete(e.Headers, HeaderOriginalQueue)
	}
	return e
}

// Origin is where msg was first published to, as an earlier failure has recorded it, or else where
// msg was published to. The other fields are those of msg.
func Origin(msg processor.Message) processor.Origin {
	o := msg.Origin()
	if first, known := recorded(msg); known {
		o.Exchange, o.RoutingKey = first.Exchange, first.RoutingKey
	}
	return o
}

// recorded is where msg was first published to, if an earlier failure has recorded it. That is so if
// there is a count of retries, if it was parked, or if it has failed in this very queue, as one that
// was put back there. It is not so for what a sender has written, or copied from another message,
// without one of these, or with names that cannot be.
func recorded(msg processor.Message) (to processor.Destination, known bool) {
	h := msg.Headers()
	_, parked := h[HeaderFailures]
	queue, _ := h.String(HeaderOriginalQueue)
	if Retries(h) == 0 && !parked && (queue == "" || queue != msg.Origin().Queue) {
		return to, false
	}
	return Recorded(h)
}

// Recorded is the origin in headers h, whoever has written it. It returns false if one of the two
// names is absent, no text or too long.
func Recorded(h processor.Headers) (to processor.Destination, ok bool) {
	exchange, there := h.String(HeaderOriginalExchange)
	key, keyed := h.String(HeaderOriginalKey)
	ok = there && keyed && max(len(exchange), len(key)) <= processor.MaxName
	return processor.Destination{Exchange: exchange, RoutingKey: key}, ok
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
// php-amqplib, and so Swarrot, makes an int32 of one: its type is lost, and after 2038 the message.
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

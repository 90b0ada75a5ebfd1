package republish

import (
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// The headers of ours. They are flat and small, so that libraries in other languages
// can read them. The first three are on every copy, the others on the final one.
const (
	HeaderOriginalExchange = "warren-original-exchange"
	HeaderOriginalKey      = "warren-original-routing-key"
	HeaderFirstFailedAt    = "warren-first-failed-at"
	HeaderError            = "warren-error"
	HeaderErrorType        = "warren-error-type"
	HeaderFailedAt         = "warren-failed-at"
	HeaderFailures         = "warren-failures"
	HeaderHost             = "warren-host"
	HeaderStack            = "warren-stack"
)

// FinalHeaders are those that only the final copy has.
var FinalHeaders = []string{HeaderError, HeaderErrorType, HeaderFailedAt, HeaderFailures, HeaderHost, HeaderStack}

// OriginHeaders are those that the first failure writes.
var OriginHeaders = []string{HeaderOriginalExchange, HeaderOriginalKey, HeaderFirstFailedAt}

// Most bytes of a header of ours.
const (
	maxError     = 512
	maxErrorType = 128
	maxHost      = 128
	maxStack     = 4096
)

// Failure is why a message was given up.
type Failure struct {
	Err   error
	At    time.Time
	Stack bool // tell the stack of a panic
}

// Again is a copy of msg for another attempt. The first failure is recorded on it: where
// the message was published to, and when it failed. A count of retries of 0 makes it the
// first, and overwrites what a sender may have claimed. The count is a sender's claim
// too: one who writes a count of 1 keeps a forged origin. It is for people to read, and
// nothing may be routed by it.
func Again(msg processor.Message, at time.Time) processor.Envelope {
	e := Envelope(msg)
	if Retries(e.Headers) == 0 {
		SetOrigin(e.Headers, msg.Origin())
		e.Headers[HeaderFirstFailedAt] = onWire(at)
	}
	return e
}

// Final is the final copy of msg.
func Final(msg processor.Message, f Failure) processor.Envelope {
	e := Again(msg, f.At)
	SetFailure(e.Headers, f)
	return e
}

// SetOrigin records where msg was first published to.
func SetOrigin(h processor.Headers, o processor.Origin) {
	h[HeaderOriginalExchange] = o.Exchange
	h[HeaderOriginalKey] = o.RoutingKey
}

// Origin is where msg was first published to, as far as its headers say: they are a
// sender's claim. Without them it is where it was published to.
func Origin(msg processor.Message) processor.Origin {
	o := msg.Origin()
	exchange, there := msg.Headers().String(HeaderOriginalExchange)
	key, keyed := msg.Headers().String(HeaderOriginalKey)
	if there && keyed && Retries(msg.Headers()) > 0 {
		o.Exchange, o.RoutingKey = exchange, key
	}
	return o
}

// FirstFailure is when msg failed for the first time, at now unless its headers say
// that it was before: they are a sender's claim.
func FirstFailure(h processor.Headers, now time.Time) time.Time {
	if at, ok := h.Time(HeaderFirstFailedAt); ok && at.Before(now) && Retries(h) > 0 {
		return at
	}
	return now
}

// Describe returns err's text and type, each cut to a bounded size.
func Describe(err error) (text, kind string) {
	return excerpt.Error(err, maxError), excerpt.Of(errorType(err), maxErrorType)
}

// SetFailure records why, when and where a message was given up, on top of the headers
// that it came with.
func SetFailure(h processor.Headers, f Failure) {
	h[HeaderFailures] = Attempt(h)
	h[HeaderError], h[HeaderErrorType] = Describe(f.Err)
	h[HeaderFailedAt] = onWire(f.At)
	h[HeaderHost] = host()
	delete(h, HeaderStack)
	if s := stack(f.Err); f.Stack && s != "" {
		h[HeaderStack] = s
	}
}

func onWire(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// host is this machine's name, "" if it has none.
var host = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return excerpt.Of(name, maxHost)
})

// stack is that of the panic in err, "" if there is none.
func stack(err error) (s string) {
	defer func() { _ = recover() }() // a handler's error may have an As that panics
	var p interface{ StackTrace() string }
	if !errors.As(err, &p) {
		return ""
	}
	var lines []string
	for line := range strings.Lines(p.StackTrace()) {
		lines = append(lines, excerpt.Of(strings.TrimRight(line, "\n"), maxStack))
	}
	return cut(strings.Join(lines, "\n"), maxStack)
}

func cut(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

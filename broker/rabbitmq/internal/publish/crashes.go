package publish

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// crashes are the places for which RabbitMQ has closed a connection (541) while a message with
// something unusual waited there; see [unusual]. A client cannot ask which places do not take it. So
// each is found out once, at the cost of the connection, and refused for a time.
//
// Another fault of the broker's may have closed the connection. So a place that took such a message
// before is not blamed, however many of them waited. A place that is refused is tried again, by one message
// at a time: after firstCrash, and after twice as long each time it fails, up to lastCrash. Until the first
// of these has failed too the error is one that may pass: nobody is to give up a message for it.
type crashes struct {
	mu    sync.Mutex
	of    map[hazard]*crash
	takes map[hazard]bool // places that took such a message
}

// hazard is something unusual in messages for one place.
type hazard struct {
	to   processor.Destination
	what string // "" if nothing is unusual
}

type crash struct {
	noted time.Time     // what was sent before then was lost in the same crash
	wait  time.Duration // from the crash until again; 0 if the place is not blamed
	again time.Time     // when one message is let through
}

const (
	firstCrash = 10 * time.Second
	lastCrash  = time.Hour
	maxCrashes = 1000
)

// unusual returns what the broker may crash over in e, which has been through broker.Prepare.
//
// A stream takes no decimal in a header, and from 4.0 on nothing of what [streamHazard] lists
// (3.10.8, 4.0.5, 4.3.6). Queues take all of it. RabbitMQ 3.10.8 crashes over a reply address of a node
// that is not in its cluster.
func unusual(to processor.Destination, e processor.Envelope) hazard {
	if node := replyingNode(to); node != "" {
		return hazard{processor.Destination{RoutingKey: DirectReply}, "a reply address of the node " + node + ", which may not be in its cluster"}
	}
	if what := streamHazard(e); what != "" {
		return hazard{to, what}
	}
	return hazard{}
}

// section begins the names of headers that RabbitMQ decodes as a part of an AMQP 1.0 message.
const section = "x-amqp-1.0-"

// streamHazard returns what a stream may not take, and "" if it takes all of e.
func streamHazard(e processor.Envelope) string {
	switch {
	case e.Type == "amqp-1.0":
		return "the type amqp-1.0, which a stream does not take"
	case !plainText(e.ReplyTo):
		return "a reply-to that is not text, which a stream does not take"
	}
	for name, v := range e.Headers {
		switch {
		case name == "x-stream-filter-value":
			if text, ok := v.(string); !ok || !plainText(text) || len(text) > processor.MaxName {
				return "a filter value that is no text of up to 255 bytes, which a stream does not take"
			}
		case strings.HasPrefix(name, section):
			return "a header that begins with " + section + ", which a stream takes for a part of an AMQP 1.0 message"
		case holdsDecimal(v):
			return "a decimal in a header, which a stream does not take"
		}
	}
	return ""
}

// plainText reports whether s is UTF-8 without a zero byte.
func plainText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// holdsDecimal reports whether there is a decimal in v, or in a table or list in it.
func holdsDecimal(v any) bool {
	switch v := v.(type) {
	case processor.Decimal:
		return true
	case []any:
		return slices.ContainsFunc(v, holdsDecimal)
	case processor.Headers:
		for _, inner := range v {
			if holdsDecimal(inner) {
				return true
			}
		}
	}
	return false
}

// add notes why the channel of an unusual message was closed, which had been sent at that time.
func (c *crashes) add(h hazard, sent time.Time, why error) {
	var e *amqp.Error
	if !errors.As(why, &e) || e.Code != amqp.InternalError {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.of[h]
	if known == nil {
		if c.of == nil || len(c.of) >= maxCrashes {
			c.of = map[hazard]*crash{}
		}
		known = &crash{}
		c.of[h] = known
	}
	if !sent.After(known.noted) {
		return // another message of the same crash
	}
	known.noted = time.Now()
	if c.takes[h] {
		delete(c.takes, h) // but blame it for the next: it may be a stream by now
		return
	}
	known.wait = min(max(2*known.wait, firstCrash), lastCrash)
	known.again = known.noted.Add(known.wait)
}

// taken notes that the broker has taken an unusual message.
func (c *crashes) taken(h hazard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, h)
	if c.takes == nil || len(c.takes) >= maxCrashes {
		c.takes = map[hazard]bool{}
	}
	c.takes[h] = true
}

// check refuses an unusual message, but lets one through when it is time to try again. If there is no
// answer to that one, as when its caller stopped waiting, the next is let through after firstCrash.
func (c *crashes) check(h hazard) error {
	if h.what == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.of[h]
	if known == nil || known.wait == 0 {
		return nil
	}
	if now := time.Now(); !now.Before(known.again) {
		known.again = now.Add(firstCrash)
		return nil
	}
	return fmt.Errorf("%w: the broker has closed the connection (541) over a message with %s", known.kind(h), h.what)
}

// kind is what a refusal says to those who publish.
func (c *crash) kind(h hazard) error {
	switch {
	case h.to.RoutingKey == DirectReply:
		return processor.ErrUnroutable
	case c.wait == firstCrash:
		return processor.ErrRefused // it may have been another's fault
	}
	return processor.ErrHeaderType
}

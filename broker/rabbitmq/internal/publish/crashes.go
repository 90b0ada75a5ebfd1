package publish

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// crashes are the destinations for which RabbitMQ has closed a connection (541) while a message with
// something unusual waited there. A stream takes no decimal in a header, and from 4.0 on no filter
// value that is not text and no AMQP 1.0 body that is none (3.10.8, 4.0.5, 4.3.6). Queues take them, and a client
// cannot ask which of the two a destination is. So each is found out once, at the cost of the
// connection, and refused for a time.
type crashes struct {
	mu sync.Mutex
	of map[processor.Destination]time.Time
}

const (
	crashFor   = time.Hour
	maxCrashes = 1000
)

// unusual reports whether a stream would not take e, which has been through broker.Prepare.
func unusual(e processor.Envelope) bool {
	if filter, there := e.Headers["x-stream-filter-value"]; there {
		if text, ok := filter.(string); !ok || !utf8.ValidString(text) {
			return true
		}
	}
	for _, v := range e.Headers {
		if _, decimal := v.(processor.Decimal); decimal {
			return true
		}
	}
	return e.Type == "amqp-1.0"
}

// add notes why the channel of an unusual message was closed.
func (c *crashes) add(to processor.Destination, why error) {
	var e *amqp.Error
	if !errors.As(why, &e) || e.Code != amqp.InternalError {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil || len(c.of) >= maxCrashes {
		c.of = map[processor.Destination]time.Time{}
	}
	c.of[to] = time.Now()
}

// check refuses an unusual message.
func (c *crashes) check(to processor.Destination, e processor.Envelope) error {
	c.mu.Lock()
	at, there := c.of[to]
	c.mu.Unlock()
	if !there || time.Since(at) > crashFor || !unusual(e) {
		return nil
	}
	return fmt.Errorf("%w: the broker has closed the connection (541) over a message with a decimal in a header, "+
		"a filter value that is not text, or the type amqp-1.0: a stream takes none of them", processor.ErrHeaderType)
}

package publish

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// denials are the places that the broker does not let one connection publish to. It says so by
// closing the channel, and all else that waits there is in doubt. So each place is tried once.
type denials struct {
	mu     sync.Mutex
	of     map[place]*denial
	topics map[string]bool // exchanges of which a topic was refused
}

// place is an exchange, or one topic of it.
type place struct {
	exchange, key string
	topic         bool
}

type denial struct {
	why   error
	tried time.Time
}

const (
	// triedAgain is after how long one message to a forbidden place is let through, on a channel of
	// its own: the permissions may have been corrected.
	triedAgain = 10 * time.Second
	// maxDenials bounds the topics, which a sender may choose.
	maxDenials = 1000
)

// add notes that the broker has closed a channel over a message for that place.
func (d *denials) add(to processor.Destination, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil || len(d.of) >= maxDenials {
		d.of = map[place]*denial{}
	}
	topic := isTopic(why)
	d.of[placeOf(to, topic)] = &denial{why, time.Now()}
	if topic {
		if d.topics == nil {
			d.topics = map[string]bool{}
		}
		d.topics[to.Exchange] = true
	}
}

// byTopic reports whether a topic of the exchange was refused: others may be as well.
func (d *denials) byTopic(exchange string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.topics[exchange]
}

func placeOf(to processor.Destination, topic bool) place {
	if topic {
		return place{to.Exchange, to.RoutingKey, true}
	}
	return place{exchange: to.Exchange}
}

// isTopic reports whether one topic was refused, not the exchange.
func isTopic(why error) bool {
	var e *amqp.Error
	return errors.As(why, &e) && strings.Contains(e.Reason, " topic '")
}

// check returns why a message for that place is not sent. When it is time to try one, again is true
// for one caller.
func (d *denials) check(to processor.Destination) (again bool, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.of) == 0 {
		return false, nil
	}
	for _, topic := range []bool{false, true} {
		denied := d.of[placeOf(to, topic)]
		switch {
		case denied == nil:
		case time.Since(denied.tried) < triedAgain:
			return false, fmt.Errorf("%w: %w", processor.ErrForbidden, denied.why)
		default:
			denied.tried = time.Now()
			return true, nil
		}
	}
	return false, nil
}

// forget notes that the broker has taken a message for that place.
func (d *denials) forget(to processor.Destination) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.of, placeOf(to, false))
	delete(d.of, placeOf(to, true))
}

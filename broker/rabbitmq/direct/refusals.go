package direct

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/processor"
)

// refusals are what one connection's broker has closed a channel over. With each channel the replies of
// all calls are lost, so nothing is tried twice.
type refusals struct {
	mu        sync.Mutex
	limit     int                               // bytes of a body; 0 while unknown
	forbidden map[processor.Destination]refusal // a whole exchange has no routing key
}

type refusal struct {
	why  error
	when time.Time
}

const (
	// triedAgain is after how long a forbidden destination may be tried again: the permissions may
	// have been corrected.
	triedAgain = 10 * time.Second
	// maxRefusals bounds the destinations.
	maxRefusals = 1000
)

// check returns why a message is known to be refused, nil if it is not.
func (r *refusals) check(to processor.Destination, size int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit > 0 && size > r.limit {
		return r.tooLarge(size)
	}
	for _, place := range [...]processor.Destination{to, {Exchange: to.Exchange}} {
		if known, is := r.forbidden[place]; is && time.Since(known.when) < triedAgain {
			return known.why
		}
	}
	return nil
}

func (r *refusals) tooLarge(size int) error {
	return fmt.Errorf("%w: the body has %d bytes, and the broker takes %d", processor.ErrTooLarge, size, r.limit)
}

// learn returns the error of a message that the broker may have closed the channel over, for that
// reason, and remembers it; nil if it was another message.
func (r *refusals) learn(reason error, to processor.Destination, size int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit, told := reply.SizeLimit(reason); told && size > limit {
		r.limit = limit
		return r.tooLarge(size)
	}
	if !reply.Forbids(reason, to) {
		return nil
	}
	if r.forbidden == nil || len(r.forbidden) >= maxRefusals {
		r.forbidden = map[processor.Destination]refusal{}
	}
	if !strings.Contains(reason.Error(), " topic '") {
		to.RoutingKey = ""
	}
	why := fmt.Errorf("%w: %w", processor.ErrForbidden, reason)
	r.forbidden[to] = refusal{why, time.Now()}
	return why
}

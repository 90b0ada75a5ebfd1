package memory

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/processor"
)

// identity has the settings of a queue that must be the same when it is
// declared again. As in RabbitMQ, arguments that mean nothing to the broker are not
// part of it, nor is the width of a number.
type identity struct {
	kind                             broker.QueueType
	transient, exclusive, autoDelete bool

	ttl           int64 // in milliseconds; none: no limit
	unused        int64 // in milliseconds; none: it never expires
	maxLength     int64 // none: no bound
	maxBytes      int64 // none: no bound
	deliveryLimit int64 // none: no bound
	priorities    int64
	retryMin      int64 // of delayed retries, in milliseconds; none: failed deliveries are retried at once
	retryMax      int64 // the same
	overflow      broker.Overflow

	deadLetters bool // it has a dead-letter exchange
	deadLetter  broker.DeadLetter
	strategy    string // of dead-lettering; "" is atMostOnce
}

// The strategies of dead-lettering.
const (
	atMostOnce  = "at-most-once"
	atLeastOnce = "at-least-once"
)

// keepsDead reports whether a dead message stays until a target takes it.
func (id identity) keepsDead() bool {
	return id.strategy == atLeastOnce && id.deadLetters && id.overflow == broker.RejectPublish
}

// delaysRetries reports whether a failed message waits before its redelivery.
func (id identity) delaysRetries() bool { return id.retryMin != none }

// none stands for an argument that is absent: 0 is a TTL and a length in RabbitMQ.
const none = -1

// rejectPublishDeadLetter refuses like reject-publish and dead-letters the message.
const rejectPublishDeadLetter broker.Overflow = "reject-publish-dlx"

func (m *model) identify(q broker.Queue) (identity, error) {
	r := argumentReader{arguments: q.AllArguments()}
	id := identity{
		kind:      broker.QueueType(r.text("x-queue-type", string(broker.Classic))),
		transient: q.Transient, exclusive: q.Exclusive, autoDelete: q.AutoDelete,
		ttl:           r.number("x-message-ttl", 0),
		unused:        r.number("x-expires", 1),
		maxLength:     r.number("x-max-length", 0),
		maxBytes:      r.number("x-max-length-bytes", 0),
		deliveryLimit: r.number("x-delivery-limit", 0),
		priorities:    r.number("x-max-priority", 0),
		retryMin:      r.number("x-delayed-retry-min", 1),
		retryMax:      r.number("x-delayed-retry-max", 1),
		overflow:      broker.Overflow(r.text("x-overflow", string(broker.DropHead))),
		deadLetters:   r.has("x-dead-letter-exchange"),
		deadLetter: broker.DeadLetter{
			Exchange:   r.text("x-dead-letter-exchange", ""),
			RoutingKey: r.text("x-dead-letter-routing-key", ""),
		},
		strategy: r.text("x-dead-letter-strategy", ""),
	}
	if err := errors.Join(append(r.errs, append(id.problems(r), m.problems(id)...)...)...); err != nil {
		return id, fmt.Errorf("memory: queue %q: %w: %w", q.Name, broker.ErrTopology, err)
	}
	return id, nil
}

func (id identity) String() string {
	parts := []string{"type " + string(id.kind)}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"x-message-ttl", id.ttl}, {"x-expires", id.unused},
		{"x-max-length", id.maxLength}, {"x-max-length-bytes", id.maxBytes},
		{"x-delivery-limit", id.deliveryLimit}, {"x-max-priority", id.priorities},
		{"x-delayed-retry-min", id.retryMin}, {"x-delayed-retry-max", id.retryMax},
	} {
		if limit.value != none {
			parts = append(parts, fmt.Sprintf("%s %d", limit.name, limit.value))
		}
	}
	if id.overflow != broker.DropHead {
		parts = append(parts, "x-overflow "+string(id.overflow))
	}
	if id.deadLetters {
		parts = append(parts, fmt.Sprintf("dead-letter exchange %q with key %q", id.deadLetter.Exchange, id.deadLetter.RoutingKey))
	}
	if id.strategy != "" {
		parts = append(parts, "x-dead-letter-strategy "+id.strategy)
	}
	parts = append(parts, flags(id.transient, id.autoDelete, id.exclusive, false)...)
	return strings.Join(parts, ", ")
}

func (id identity) problems(r argumentReader) []error {
	var errs []error
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{id.kind != broker.Classic && id.kind != broker.Quorum,
			"x-queue-type must be classic or quorum"},
		{id.overflow != broker.DropHead && id.overflow != broker.RejectPublish && id.overflow != rejectPublishDeadLetter,
			"x-overflow must be drop-head, reject-publish or reject-publish-dlx"},
		{id.deliveryLimit != none && id.kind != broker.Quorum,
			"x-delivery-limit needs a quorum queue"},
		{max(id.ttl, id.unused) > argument.LongestTime.Milliseconds(),
			"x-message-ttl or x-expires is over ten years"},
		{r.has("x-dead-letter-routing-key") && !id.deadLetters,
			"x-dead-letter-routing-key needs x-dead-letter-exchange"},
		{r.has("x-dead-letter-strategy") && id.strategy != atMostOnce && id.strategy != atLeastOnce,
			"x-dead-letter-strategy must be at-most-once or at-least-once"},
		{r.has("x-dead-letter-strategy") && id.kind != broker.Quorum,
			"x-dead-letter-strategy needs a quorum queue"},
		{id.delaysRetries() && id.kind != broker.Quorum,
			"x-delayed-retry-min needs a quorum queue"},
		{(r.has("x-delayed-retry-type") || id.retryMax != none || id.delaysRetries()) &&
			(r.text("x-delayed-retry-type", "") != "failed" || id.retryMax < max(id.retryMin, 1)),
			"delayed retries need x-delayed-retry-type failed (others are not supported in memory) and x-delayed-retry-max of at least x-delayed-retry-min"},
		{r.has("x-single-active-consumer"),
			"x-single-active-consumer is not supported in memory"},
	} {
		if rule.broken {
			errs = append(errs, errors.New(rule.what))
		}
	}
	return errs
}

// argumentReader reads a queue's arguments and collects what is wrong with them.
type argumentReader struct {
	arguments processor.Headers
	errs      []error
}

func (r *argumentReader) has(name string) bool {
	_, ok := r.arguments[name]
	return ok
}

func (r *argumentReader) text(name, absent string) string {
	if !r.has(name) {
		return absent
	}
	s, ok := r.arguments.String(name)
	if !ok {
		r.errs = append(r.errs, fmt.Errorf("%s is a %T, not a string", name, r.arguments[name]))
	}
	return s
}

func (r *argumentReader) number(name string, least int64) int64 {
	if !r.has(name) {
		return none
	}
	n, ok := argument.Integer(r.arguments, name)
	if !ok || n < least {
		r.errs = append(r.errs, fmt.Errorf("%s is %v (%T), not a number of at least %d", name, r.arguments[name], r.arguments[name], least))
	}
	return n
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

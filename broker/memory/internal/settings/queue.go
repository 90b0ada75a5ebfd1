// Package settings has what queues and exchanges are declared with.
package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/version"
	"github.com/gowarren/warren/internal/argument"
)

// Queue has the settings of a queue that must be the same when it is
// declared again. As in RabbitMQ, arguments that mean nothing to the broker are not
// part of it, nor is the width of a number.
type Queue struct {
	Type                             broker.QueueType
	transient, exclusive, autoDelete bool

	TTL           int64 // in milliseconds; None: no limit
	Unused        int64 // in milliseconds; None: it never expires
	MaxLength     int64 // None: no bound
	MaxBytes      int64 // None: no bound
	DeliveryLimit int64 // None: that of the version
	priorities    int64
	RetryMin      int64 // of delayed retries, in milliseconds; None: failed deliveries are retried at once
	RetryMax      int64 // the same
	Overflow      broker.Overflow

	DeadLetters bool // it has a dead-letter exchange
	DeadLetter  broker.DeadLetter
	strategy    string // of dead-lettering; "" is atMostOnce
}

// The strategies of dead-lettering.
const (
	atMostOnce  = "at-most-once"
	atLeastOnce = "at-least-once"
)

// KeepsDead reports whether a dead message stays until a target takes it.
func (q Queue) KeepsDead() bool {
	return q.strategy == atLeastOnce && q.DeadLetters && q.Overflow == broker.RejectPublish
}

// DelaysRetries reports whether a failed message waits before its redelivery.
func (q Queue) DelaysRetries() bool { return q.RetryMin != None }

// RejectPublishDeadLetter refuses like reject-publish and dead-letters the message.
const RejectPublishDeadLetter broker.Overflow = "reject-publish-dlx"

// ReadQueue returns the settings of a queue. The error says what RabbitMQ, or this broker, does not support.
func ReadQueue(q broker.Queue, model *version.Model) (Queue, error) {
	r := reader{arguments: q.AllArguments()}
	have := Queue{
		Type:      broker.QueueType(r.text("x-queue-type", string(broker.Classic))),
		transient: q.Transient, exclusive: q.Exclusive, autoDelete: q.AutoDelete,
		TTL:           r.number("x-message-ttl", 0),
		Unused:        r.number("x-expires", 1),
		MaxLength:     r.number("x-max-length", 0),
		MaxBytes:      r.number("x-max-length-bytes", 0),
		DeliveryLimit: r.number("x-delivery-limit", 0),
		priorities:    r.number("x-max-priority", 0),
		RetryMin:      r.number("x-delayed-retry-min", 1),
		RetryMax:      r.number("x-delayed-retry-max", 1),
		Overflow:      broker.Overflow(r.text("x-overflow", string(broker.DropHead))),
		DeadLetters:   r.has("x-dead-letter-exchange"),
		DeadLetter: broker.DeadLetter{
			Exchange:   r.text("x-dead-letter-exchange", ""),
			RoutingKey: r.text("x-dead-letter-routing-key", ""),
		},
		strategy: r.text("x-dead-letter-strategy", ""),
	}
	if err := errors.Join(errors.Join(r.errs...), have.problems(r), have.unknown(model)); err != nil {
		return have, fmt.Errorf("memory: queue %q: %w: %w", q.Name, broker.ErrTopology, err)
	}
	return have, nil
}

func (q Queue) String() string {
	parts := []string{"type " + string(q.Type)}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"x-message-ttl", q.TTL}, {"x-expires", q.Unused},
		{"x-max-length", q.MaxLength}, {"x-max-length-bytes", q.MaxBytes},
		{"x-delivery-limit", q.DeliveryLimit}, {"x-max-priority", q.priorities},
		{"x-delayed-retry-min", q.RetryMin}, {"x-delayed-retry-max", q.RetryMax},
	} {
		if limit.value != None {
			parts = append(parts, fmt.Sprintf("%s %d", limit.name, limit.value))
		}
	}
	if q.Overflow != broker.DropHead {
		parts = append(parts, "x-overflow "+string(q.Overflow))
	}
	if q.DeadLetters {
		parts = append(parts, fmt.Sprintf("dead-letter exchange %q with key %q", q.DeadLetter.Exchange, q.DeadLetter.RoutingKey))
	}
	if q.strategy != "" {
		parts = append(parts, "x-dead-letter-strategy "+q.strategy)
	}
	parts = append(parts, flags(q.transient, q.autoDelete, q.exclusive, false)...)
	return strings.Join(parts, ", ")
}

// unknown is about settings that this version would silently ignore.
func (q Queue) unknown(m *version.Model) error {
	if !q.DelaysRetries() || m.DelaysRetries {
		return nil
	}
	return fmt.Errorf("delayed retries: %w: they need RabbitMQ 4.3; %d.%d, which this broker behaves like, "+
		"ignores them and delivers what failed at once, again and again", broker.ErrUnsupported, m.Major, m.Minor)
}

func (q Queue) problems(r reader) error {
	var errs []error
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{q.Type != broker.Classic && q.Type != broker.Quorum, "x-queue-type must be classic or quorum"},
		{q.Overflow != broker.DropHead && q.Overflow != broker.RejectPublish && q.Overflow != RejectPublishDeadLetter,
			"x-overflow must be drop-head, reject-publish or reject-publish-dlx"},
		{q.DeliveryLimit != None && q.Type != broker.Quorum, "x-delivery-limit needs a quorum queue"},
		{max(q.TTL, q.Unused) > argument.LongestTime.Milliseconds(), "x-message-ttl or x-expires is over ten years"},
		{r.has("x-dead-letter-routing-key") && !q.DeadLetters,
			"x-dead-letter-routing-key needs x-dead-letter-exchange"},
		{r.has("x-dead-letter-strategy") && q.strategy != atMostOnce && q.strategy != atLeastOnce,
			"x-dead-letter-strategy must be at-most-once or at-least-once"},
		{r.has("x-dead-letter-strategy") && q.Type != broker.Quorum, "x-dead-letter-strategy needs a quorum queue"},
		{q.DelaysRetries() && q.Type != broker.Quorum, "x-delayed-retry-min needs a quorum queue"},
		{(r.has("x-delayed-retry-type") || q.RetryMax != None || q.DelaysRetries()) &&
			(r.text("x-delayed-retry-type", "") != "failed" || q.RetryMax < max(q.RetryMin, 1)),
			"delayed retries need x-delayed-retry-type failed (others are not supported in memory) and x-delayed-retry-max of at least x-delayed-retry-min"},
		{r.has("x-single-active-consumer"), "x-single-active-consumer is not supported in memory"},
	} {
		if rule.broken {
			errs = append(errs, errors.New(rule.what))
		}
	}
	return errors.Join(errs...)
}

package delay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// The names of nameko-amqp-retry's exchange, and of the header that it routes by.
const (
	backoffExchange = "backoff"
	backoffHeader   = "backoff"
)

// grace is how much longer than its delay a queue lives after its last declare.
const grace = 5 * time.Second

// longestCompatible has an x-expires of 31 bits, as Python writes it: 24.8 days.
const longestCompatible = math.MaxInt32*time.Millisecond - grace

// Compatible is the strategy of nameko-amqp-retry, for Go and Python services that share a
// vhost or a queue: the same exchange, queues and headers, so that each continues the
// other's count of delays.
//
// A delay of 1.5 s is a classic queue backoff--1500ms, which both declare before each
// publish. It expires 5 s after the delay, counted from the last declare, and loses its messages.
// So Delay declares it again while a publish takes long, and returns
// [processor.ErrIndeterminate] for a message that was confirmed when its queue may have
// been gone. Delays are whole milliseconds, rounded up, and 24.8 days at most.
//
// Only use it to be compatible. A classic queue drops a message whose target is missing or
// full, and messages that it is dead-lettering when the broker dies. A message published to the
// exchange backoff without an expiration stops a queue, which then expires with all its messages.
// In a vhost whose default type is not classic, and on RabbitMQ before
// 3.8.2, Go and Python exclude each other: the second to declare a queue is refused.
//
// Python counts by x-death, which is written anew from the count of backoffs. RabbitMQ 4
// ignores the x-death of a client: Python then sees only the last delay, and its limit
// is not reached where Go and Python take turns. Go counts by its own header as well.
//
// It takes no options. all may be nil. A redeclarer that is nil is an error.
func Compatible(redeclarer broker.Redeclarer, opts ...Option) Strategy {
	return func(queue string, all []time.Duration) (Delayer, error) {
		_, err := newConfig("Compatible", opts)
		if problem := processor.Check(redeclarer); problem != nil {
			err = errors.Join(err, fmt.Errorf("delay: the redeclarer of Compatible, which is the broker, cannot work: %w", problem))
		}
		if err = errors.Join(err, checkTarget(queue)); err != nil {
			return nil, err
		}
		for _, d := range all {
			if d > longestCompatible {
				return nil, fmt.Errorf("delay: Compatible has no delay longer than %v, and one is %v", longestCompatible, d)
			}
		}
		return &compatible{redeclarer: redeclarer, queue: queue}, nil
	}
}

type compatible struct {
	redeclarer broker.Redeclarer
	queue      string
}

var _ Delayer = (*compatible)(nil)

// Topology is the exchange. Delay declares the queues; owned are steps of an earlier strategy.
func (c *compatible) Topology() broker.Topology {
	return broker.Topology{Exchanges: exchange(), Owned: owned(c.queue)}
}

func exchange() []broker.Exchange {
	return []broker.Exchange{{Name: backoffExchange, Kind: broker.HeadersKind}}
}

// waiting is the queue of one delay. The types of numbers matter: for RabbitMQ a binding
// with a wider one is another binding.
func waiting(ms int32) broker.Topology {
	t := broker.Topology{Exchanges: exchange()}
	name := backoffQueue(ms)
	t.Queues = []broker.Queue{{
		Name: name,
		// Python leaves out the type, which is the same for RabbitMQ. A quorum queue,
		// the default of some vhosts, would expire however often it is declared.
		Type:       broker.Classic,
		DeadLetter: &broker.DeadLetter{},
		Arguments:  processor.Headers{"x-expires": ms + int32(grace/time.Millisecond)},
	}}
	t.Bindings = []broker.Binding{{
		Exchange: backoffExchange, Queue: name,
		Arguments: processor.Headers{"x-match": "any", backoffHeader: ms},
	}}
	return t
}

func backoffQueue(ms int32) string { return "backoff--" + strconv.Itoa(int(ms)) + "ms" }

// Delay publishes to the queue of the delay, and keeps the queue alive meanwhile.
func (c *compatible) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error {
	if d > longestCompatible {
		return &TooLongError{Asked: d, Longest: longestCompatible}
	}
	ms := int32(units(d, time.Millisecond)) //nolint:gosec // no more than the longest
	e = forPython(clean(e), c.queue, ms)
	to := processor.Destination{RoutingKey: c.queue}
	if ms == 0 {
		return p.Publish(ctx, to, e)
	}
	to.Exchange = backoffExchange
	e.Expiration = time.Duration(ms) * time.Millisecond
	t := waiting(ms)
	if err := broker.FitsLater(e, 1, len(t.Queues[0].Name)+len(backoffExchange)+len(c.queue)); err != nil {
		return err
	}
	l := lease{
		delay:     e.Expiration,
		redeclare: func(ctx context.Context) error { return c.redeclarer.Redeclare(ctx, t) },
	}
	return l.during(ctx, func() error { return p.Publish(ctx, to, e) })
}

// Waits is the sum that Python counts.
func (*compatible) Waits(h processor.Headers) int64 {
	var sum int64
	for d := range deaths(h) {
		if d.exchange == backoffExchange {
			sum = add(sum, d.count)
		}
	}
	return sum
}

func (*compatible) String() string { return "compatible with nameko-amqp-retry, classic" }

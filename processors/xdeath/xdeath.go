package xdeath

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that ends the rounds of a message that keeps failing. It is safe for
// concurrent use and allocates nothing on success.
//
// A message over a limit still ends in an error, with the handler's in its chain and [ErrMaxCount]
// or [ErrMaxLifetime]: outer layers, such as one with a transaction, must not take it for a
// success, and a consumer logs it. One that is dealt with is dropped ([processor.Drop]).
//
// The stack refuses options that are nil, a count below 0 and a lifetime below a second unless they are
// [processor.NoLimit], no limit at all, anything but one of [Park] and [Over], and a publisher that is nil or cannot work
// ([processor.Check]).
func New(opts ...Option) processor.Middleware {
	c := config{maxCount: DefaultMaxCount, maxLifetime: DefaultMaxLifetime}
	if err := option.Apply("xdeath", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &xdeath{config: c, next: next}
	}
}

type xdeath struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*xdeath)(nil)
	_ stack.Wrapper   = (*xdeath)(nil)
	_ stack.Predictor = (*xdeath)(nil)
	_ stack.Describer = (*xdeath)(nil)

	_ broker.TopologyNeeder = (*xdeath)(nil)
)

// Name is "xdeath".
func (*xdeath) Name() string { return "xdeath" }

// Role is [stack.GivesUp].
func (*xdeath) Role() stack.Role { return stack.GivesUp }

// Unwrap returns the inner layers.
func (x *xdeath) Unwrap() processor.Processor { return x.next }

// Predict is about a message below the limits: its queue dead-letters it, and it comes back.
func (*xdeath) Predict(o stack.Outcome) stack.Outcome {
	if o.Returns() && (o.Action == processor.Failed || o.Action == processor.Rejected) {
		o.ComesBack = true
	}
	return o
}

// Settings returns those of the options.
func (x *xdeath) Settings() []stack.Setting {
	count, lifetime := "off", "off"
	if x.counts() {
		count = strconv.FormatInt(x.maxCount, 10)
	}
	if x.times() {
		lifetime = x.maxLifetime.String()
	}
	end := stack.Setting{Name: "over", Value: "by a function"}
	if x.parks {
		end = stack.Setting{Name: "park", Value: x.parking.to.String()}
	}
	return []stack.Setting{
		{Name: "queue", Value: cmp.Or(x.queue, "the message's own")},
		{Name: "max count", Value: count},
		{Name: "max lifetime", Value: lifetime},
		end,
	}
}

// Process runs the inner layers and judges msg if they fail.
func (x *xdeath) Process(ctx context.Context, msg processor.Message) error {
	err := x.next.Process(ctx, msg)
	if err == nil || processor.CutShort(ctx) || msg.Settled() {
		return err
	}
	if a := processor.Decide(err).Action; a != processor.Failed && a != processor.Rejected {
		return err
	}
	queue := x.queue
	if queue == "" {
		queue = msg.Origin().Queue
	}
	now := time.Now()
	d := read(msg.Headers(), queue, now)
	limit := x.reached(d, now)
	if limit == nil {
		stack.ComesBack(ctx)
		return err
	}
	return x.judge(ctx, Event{
		Message: msg,
		Err:     &overError{limit: limit, queue: queue, deaths: d, err: err},
		Limit:   limit, Queue: queue, Count: d.count, First: d.first,
	})
}

// reached returns which limit is reached, nil if none.
func (c *config) reached(d deaths, now time.Time) error {
	switch {
	case c.counts() && d.count >= c.maxCount:
		return ErrMaxCount
	case c.times() && !d.first.IsZero() && now.Sub(d.first) >= c.maxLifetime:
		return ErrMaxLifetime
	}
	return nil
}

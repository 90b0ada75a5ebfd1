package watermill

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Delays is a strategy for processors/backoff on brokers with Watermill's delayed messages, such as
// its SQL publishers:
//
//	publisher, err := watermill.NewPublisher(p)
//	...
//	backoff.New(publisher, "mail", backoff.Strategy(watermill.Delays))
//
// The delay is written into the metadata, as by Watermill's delay component, and rounded up to a
// whole second of the clock, which is the format there. Nothing checks that the broker follows it:
// one that does not, such as GoChannel and Kafka, delivers at once.
//
// The publisher must be one made by [NewPublisher], or a decorator of one. Another publishes
// without delay: the first time Delay returns an error that says so, and after that it publishes
// nothing.
func Delays(queue string, _ []time.Duration) (delay.Delayer, error) {
	if queue == "" {
		return nil, errors.New("watermill: the topic to come back to is empty: name it")
	}
	return &delays{topic: queue}, nil
}

var _ delay.Strategy = Delays

type delays struct {
	topic   string
	foreign atomic.Bool // the publisher is not from NewPublisher
}

// delayKey is the context key of a delayRequest.
type delayKey struct{}

// delayRequest asks the publisher for a delay.
type delayRequest struct {
	until time.Time
	seen  atomic.Bool
}

var errForeign = errors.New("watermill: Delays are for publishers that NewPublisher made, and this one does not follow them: choose another backoff.Strategy")

// Topology is empty.
func (*delays) Topology() broker.Topology { return broker.Topology{} }

// Delay publishes e with a delay in its metadata.
func (d *delays) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, wait time.Duration) error {
	if d.foreign.Load() {
		return errForeign
	}
	e.Headers = e.Headers.Clone()
	republish.Strip(e.Headers)
	to := processor.Destination{RoutingKey: d.topic}
	if wait <= 0 {
		return p.Publish(ctx, to, e)
	}
	request := &delayRequest{until: wholeSecond(time.Now().UTC().Add(wait))}
	err := p.Publish(context.WithValue(ctx, delayKey{}, request), to, e)
	if err == nil && !request.seen.Load() {
		d.foreign.Store(true)
		return errForeign
	}
	return err
}

// wholeSecond rounds up.
func wholeSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); !whole.Equal(t) {
		return whole.Add(time.Second)
	}
	return t
}

// Waits is 0: Watermill counts nothing.
func (*delays) Waits(processor.Headers) int64 { return 0 }

func (*delays) String() string { return "delayed messages of Watermill's" }

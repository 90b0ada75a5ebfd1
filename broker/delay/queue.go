package delay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// waiting is a queue that holds messages for d and then hands them on.
func (c config) waiting(name string, d time.Duration, next broker.DeadLetter) broker.Queue {
	q := broker.Queue{
		Name: name, Type: c.kind(), MessageTTL: d, MaxLength: c.maxLength, DeadLetter: &next,
	}
	if !c.classic {
		// It is asked to keep a message until the next queue has confirmed it, which the
		// broker grants to those that refuse when they are full, even if they never are.
		q.Arguments = processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	}
	if !c.classic || c.maxLength > 0 {
		q.Overflow = broker.RejectPublish // drop-head would drop the oldest
	}
	return kept(q)
}

// owned is what the names of a work queue's steps begin with. Whatever the strategy is now,
// there may be some of an earlier one. Ladders have the names that a queue called warren
// would have, and they are everybody's.
func owned(queue string) []string {
	prefix := queue + stepMark
	if prefix == ladderPrefix {
		return nil
	}
	return []string{prefix}
}

// checkTarget says what is wrong with the name of a work queue.
func checkTarget(queue string) error {
	switch {
	case queue == "":
		return errors.New("delay: the work queue has no name")
	case len(queue) > processor.MaxName:
		return fmt.Errorf("delay: the name of the work queue has %d bytes, the limit is %d", len(queue), processor.MaxName)
	case strings.Contains(queue, stepMark):
		return fmt.Errorf("delay: %q has %q in its name, which is for delay queues: give the name of the work queue", queue, stepMark)
	}
	return nil
}

// publish hands e to the broker. What has been declared takes every message, so one that
// nothing takes is a topology that is missing, whole or in part.
func publish(ctx context.Context, p processor.Publisher, to processor.Destination, e processor.Envelope) error {
	err := p.Publish(republish.Waiting(ctx), to, e)
	if errors.Is(err, processor.ErrUnroutable) {
		return fmt.Errorf("delay: %s, or what it hands on to, is not in the broker: "+
			"declare the topology (backoff.Topology or Delayer.Topology): %w", to, err)
	}
	return err
}

// clean returns a copy of e with its own headers, without what steers it: x-death makes
// the broker take the next delay for a cycle and drop the message, an expiration or
// headers of a ladder change the delay, and CC routes it elsewhere.
func clean(e processor.Envelope) processor.Envelope {
	e.Headers = e.Headers.Clone()
	republish.Strip(e.Headers)
	e.Expiration = 0
	return e
}

// short is d without the zeros at its end: 24h, where d says 24h0m0s. Two of them are
// equal only if the durations are.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

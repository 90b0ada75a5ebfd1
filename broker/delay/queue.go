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

// waiting is a queue that holds messages for d and then dead-letters them.
func (c config) waiting(name string, d time.Duration, next broker.DeadLetter) broker.Queue {
	q := broker.Queue{
		Name: name, Type: c.kind(), MessageTTL: d, MaxLength: c.maxLength, DeadLetter: &next,
	}
	if !c.classic {
		// It keeps a message until the next queue has confirmed it. For that the broker
		// demands reject-publish, even if the queue is never full.
		q.Arguments = processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	}
	if !c.classic || c.maxLength > 0 {
		q.Overflow = broker.RejectPublish // drop-head would drop the oldest
	}
	return kept(q)
}

// owned is the beginning of the names of a work queue's steps. Whatever the strategy is now,
// there may be steps of an earlier one. The steps of a queue called warren would have the
// names of ladders, which all services share.
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

// publish publishes e. A declared topology takes every message, so an unroutable one means
// that the topology is missing, whole or in part.
func publish(ctx context.Context, p processor.Publisher, to processor.Destination, e processor.Envelope) error {
	err := p.Publish(republish.Waiting(ctx), to, e)
	if errors.Is(err, processor.ErrUnroutable) {
		return fmt.Errorf("delay: %s, or what it hands on to, is not in the broker: "+
			"declare the topology (backoff.Topology or Delayer.Topology): %w", to, err)
	}
	return err
}

// clean returns a copy of e with its own headers, without those that steer it: with x-death
// the next delay would be a cycle, and the broker would drop the message; an expiration or
// headers of a ladder change the delay, and CC routes it elsewhere.
func clean(e processor.Envelope) processor.Envelope {
	e.Headers = e.Headers.Clone()
	republish.Strip(e.Headers)
	e.Expiration = 0
	return e
}

// short is d without the zeros at its end: 24h for 24h0m0s. Two of them are
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
)

// workers is how many orders are in flight at a time.
const workers = 4

// station is what the work needs of a broker. Those of Warren have it.
type station interface {
	Source(queue string) broker.Source
	Publisher() processor.Publisher
	broker.Counter
	Close(ctx context.Context) error
}

// work publishes orders, and has them processed until each is shipped or parked.
func work(ctx context.Context, name string, s station, orders int, out io.Writer) (err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, s.Close(ctx))
	}()
	fmt.Fprintf(out, "On %s:\n", name)
	j := newJournal(out)
	before, err := s.Ready(ctx, parked)
	if err != nil {
		return err
	}
	pipeline, err := newPipeline(s.Publisher(), j)
	if err != nil {
		return err
	}
	c, err := consumer.New(s.Source(queue), pipeline, consumer.Workers(workers), consumer.Logger(quiet))
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop() // without a worker there is nothing to wait for
		ended <- c.Run(working)
	}()
	problem := publish(working, s.Publisher(), orders, j)
	if problem == nil {
		wait(working, s, j)
	}
	stop()
	return errors.Join(problem, <-ended, report(context.WithoutCancel(ctx), s, j, before, out))
}

// publish publishes orders with the numbers from 1. If the broker's answer is lost an order is
// published again, under the same id: better twice than never.
func publish(ctx context.Context, p processor.Publisher, orders int, j *journal) error {
	for number := 1; number <= orders; number++ {
		e := processor.Envelope{Body: []byte(strconv.Itoa(number)), Properties: processor.Properties{ID: "order " + strconv.Itoa(number)}}
		for {
			err := p.Publish(ctx, processor.Destination{RoutingKey: queue}, e)
			if err == nil {
				break
			}
			if !errors.Is(err, processor.ErrIndeterminate) || ctx.Err() != nil {
				return err
			}
		}
		j.published(e.ID)
	}
	return nil
}

// wait returns when every order is shipped or parked, and none waits. Orders of an earlier run are
// in no journal until they are tried, and may be on their way from one queue to the other: so the
// queues count as empty after three times in a row.
func wait(ctx context.Context, s station, j *journal) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for empty := 0; empty < 3; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n, err := waiting(ctx, s); err != nil || n > 0 || j.open() > 0 {
			empty = 0
		} else {
			empty++
		}
	}
}

// waiting counts the orders that are still to be processed.
func waiting(ctx context.Context, s station) (int, error) {
	total := 0
	for _, q := range []string{queue, retryKey(1), retryKey(2)} {
		n, err := s.Ready(ctx, q)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func retryKey(attempt int) string {
	return strings.ReplaceAll(retryKeys, "%attempt%", strconv.Itoa(attempt))
}

// report compares what happened with what the broker holds. An order counts as parked when
// the broker has it.
func report(ctx context.Context, s station, j *journal, before int, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	now, err := s.Ready(ctx, parked)
	if err != nil {
		return err
	}
	left, err := waiting(ctx, s)
	if err != nil {
		return err
	}
	c := j.count()
	c.parked = min(c.parked, now-before)
	missing := c.published - c.processed - c.parked
	lost := max(missing-left, 0)
	fmt.Fprintf(out, "published=%d processed=%d retried=%d parked=%d lost=%d\n\n", c.published, c.processed, c.retried, c.parked, lost)
	switch {
	case lost > 0:
		return fmt.Errorf("%d orders are lost", lost)
	case missing > 0:
		return fmt.Errorf("interrupted: %d orders wait in the broker; start again to go on", missing)
	}
	return nil
}

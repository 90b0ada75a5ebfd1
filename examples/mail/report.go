package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/gowarren/warren/broker"
)

// report prints each mail's life, the queues, and the sum. It returns an error if a mail is lost,
// or is left for the next run.
func (o *office) report(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := errors.Join(o.journal.table(), o.whereabouts(ctx)); err != nil {
		return err
	}
	waiting, err := o.waiting(ctx)
	if err != nil {
		return err
	}
	parked, err := o.parked(ctx)
	if err != nil {
		return err
	}
	c := o.journal.count(parked)
	left := c.published - c.processed - c.parked
	lost := max(left-waiting, 0)
	fmt.Fprintf(o.out, "\ndemo: published=%d processed=%d retried=%d parked=%d lost=%d\n",
		c.published, c.processed, c.retried, c.parked, lost)
	switch {
	case lost > 0:
		return fmt.Errorf("%d mails are lost: %v", lost, o.journal.open())
	case left > 0:
		return fmt.Errorf("interrupted: %d mails wait in their queues; start again to go on", left)
	}
	return nil
}

// parked reads the parked queue, and leaves it unchanged.
func (o *office) parked(ctx context.Context) (map[string]bool, error) {
	n, err := o.broker.Ready(ctx, parkedQueue)
	if err != nil || n == 0 {
		return nil, err
	}
	sub, err := o.broker.Source(parkedQueue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: n})
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for range n {
		msg, err := sub.Receive(ctx)
		if err != nil {
			return nil, errors.Join(err, sub.Close(ctx))
		}
		ids[msg.Properties().ID] = true
	}
	return ids, sub.Close(ctx) // unsettled: they are requeued
}

// table prints each life: the outcome of each attempt, where the mail waited then, and how long
// after its publishing that was.
func (j *journal) table() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := tabwriter.NewWriter(j.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nMAIL\tATTEMPT\tOUTCOME\tWAITS IN\tELAPSED")
	for _, id := range j.order {
		name := id
		for _, e := range j.lives[id].entries {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", name, e.attempt, e.outcome, e.queue, seconds(e.elapsed))
			name = ""
		}
	}
	return w.Flush()
}

// whereabouts prints how many mails are in each queue.
func (o *office) whereabouts(ctx context.Context) error {
	w := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nQUEUE\tMAILS")
	for _, q := range o.queues {
		n, err := o.broker.Ready(ctx, q)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\n", q, n)
	}
	return w.Flush()
}

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
)

// office is a day at work: it publishes mails, has a worker send them, and closes when each is sent
// or parked.
type office struct {
	broker  countingBroker
	delays  []time.Duration
	queues  []string // all of them, in the order of a mail's life
	log     *slog.Logger
	out     io.Writer
	journal *journal
}

func newOffice(b countingBroker, delays []time.Duration, t broker.Topology, log *slog.Logger, out io.Writer) *office {
	o := &office{broker: b, delays: delays, log: log, out: out, journal: newJournal(out)}
	for _, q := range t.Queues {
		o.queues = append(o.queues, q.Name)
	}
	return o
}

func (o *office) work(ctx context.Context, copies int) error {
	worker, err := newWorker(o.broker, o.delays, o.journal, o.log)
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop() // without a worker there is nothing to wait for
		ended <- worker.Run(working)
	}()
	publishErr := publishMails(working, o.broker.Publisher(), copies, o.journal, o.log)
	if publishErr == nil {
		o.wait(working)
	}
	stop()
	return errors.Join(publishErr, <-ended, o.report(context.WithoutCancel(ctx)))
}

// wait returns when every mail is sent or parked and, since there may be mails of an earlier run,
// no queue has any.
//
// The journal knows nothing of those earlier mails until they are tried, and the queues do not show
// all of them: Ready counts neither mails in flight nor those on their way from a retry queue to
// the work queue, and the queues are asked one after the other. So they count as empty after three
// times in a row.
func (o *office) wait(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for empty := 0; empty < 3; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		waiting, err := o.waiting(ctx)
		if err != nil || waiting > 0 || len(o.journal.open()) > 0 {
			empty = 0
		} else {
			empty++
		}
	}
}

// waiting counts the mails in all queues but the parked.
func (o *office) waiting(ctx context.Context) (int, error) {
	total := 0
	for _, q := range o.queues {
		if q == parkedQueue {
			continue
		}
		n, err := o.broker.Ready(ctx, q)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

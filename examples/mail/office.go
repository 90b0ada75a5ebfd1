package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
)

// office is a day at work: it publishes mails, has a worker send them, and closes when each is sent
// or parked.
type office struct {
	broker  countingBroker
	service *service.Service
	queues  []string // all of them, in the order of a mail's life
	log     *slog.Logger
	out     io.Writer
	journal *journal
}

func newOffice(b countingBroker, delays []time.Duration, log *slog.Logger, out io.Writer, opts []service.Option) (*office, error) {
	o := &office{broker: b, log: log, out: out, journal: newJournal(out)}
	s, err := service.New(b, append(opts, worker(b, delays, o.journal, log), service.Logger(log))...)
	if err != nil {
		return nil, err
	}
	o.service = s
	for _, q := range s.Topology().Queues {
		o.queues = append(o.queues, q.Name)
	}
	return o, nil
}

func (o *office) work(ctx context.Context, copies int) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop() // without a worker there is nothing to wait for
		ended <- o.service.Run(ctx)
	}()
	select {
	case <-o.service.Ready():
	case <-working.Done():
		return explain(<-ended)
	}
	publishErr := publishMails(working, o.service.Publisher(), copies, o.journal, o.log)
	if publishErr == nil {
		o.wait(working)
	}
	o.service.End()
	return errors.Join(publishErr, <-ended, o.report(context.WithoutCancel(ctx)))
}

// explain adds to err what usually mends it.
func explain(err error) error {
	if errors.Is(err, broker.ErrMismatch) {
		return fmt.Errorf("%w\n(queues left by a run with another -scale? delete them, or use that scale)", err)
	}
	return err
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

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// office publishes mails and works until each is sent or parked.
type office struct {
	broker  countingBroker
	log     *slog.Logger
	out     io.Writer
	journal *journal
}

func newOffice(b countingBroker, log *slog.Logger, out io.Writer) *office {
	return &office{broker: b, log: log, out: out, journal: newJournal(out)}
}

func (o *office) work(ctx context.Context, copies int) error {
	pipeline, err := processor.NewStack(
		ack.New(),
		retry.New(o.broker.Publisher(), "mail_retry_%attempt%",
			retry.Exchange("retry"),
			retry.Attempts(3),
			retry.FinalKey(parkedQueue),
			retry.OnRepublish(o.failed)),
		recovery.New(),
	).Then(processor.Typed(json.Unmarshal, o.send))
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop() // whoever waits for the mails need not wait any longer
		c := consumer.New(o.broker.Source(workQueue), pipeline, consumer.Workers(2), consumer.Logger(o.log))
		ended <- c.Run(working)
	}()
	publishErr := o.publish(working, copies)
	if publishErr == nil {
		o.wait(working)
	}
	stop()
	return errors.Join(publishErr, <-ended, o.report(context.WithoutCancel(ctx)))
}

// send is the handler.
func (o *office) send(ctx context.Context, m mail, msg processor.Message) error {
	if err := send(ctx, m, msg); err != nil {
		return err
	}
	retries, _ := msg.Headers().Int64(retry.HeaderAttempts)
	o.journal.sent(msg.Properties().ID, int(retries)+1)
	return nil
}

// failed is told of each mail that was put into a retry queue, or was parked.
func (o *office) failed(_ context.Context, e retry.Event) {
	tried := e.Attempt // the first retry follows the first try
	if e.Final {
		tried++
	}
	o.journal.failed(e.Message.Properties().ID, tried, e.Err, e.To.RoutingKey, e.Final)
}

// publish sends the mails to the exchange. A mail is published once the broker has
// confirmed it.
func (o *office) publish(ctx context.Context, copies int) error {
	day := rand.Text()[:6]
	for n := range copies {
		for _, m := range mails() {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			id := fmt.Sprintf("%s-%s", m.To, day)
			if n > 0 {
				id = fmt.Sprintf("%s-%d", id, n+1)
			}
			o.journal.begin(id)
			err = o.post(ctx, processor.Envelope{
				Body:       body,
				Properties: processor.Properties{ID: id, ContentType: "application/json"},
			})
			if err != nil {
				return err
			}
			o.journal.published(id)
		}
	}
	return nil
}

// post publishes until the broker says yes or no. When its answer is lost the mail is
// published again, under the same id: rather twice than never.
func (o *office) post(ctx context.Context, e processor.Envelope) error {
	for {
		err := o.broker.Publisher().Publish(ctx, processor.Destination{Exchange: "mail", RoutingKey: "mail"}, e)
		if !errors.Is(err, processor.ErrIndeterminate) || ctx.Err() != nil {
			return err
		}
		o.log.Warn("published again", slog.String("id", e.ID), slog.Any("error", err))
	}
}

// wait returns when every mail is sent or parked and, since there may be mails of an
// earlier run, nothing waits in a queue.
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
	for _, q := range queues() {
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

package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// newWorker returns the consumer that sends the mails of the work queue, two at a time.
// A mail that cannot be sent is retried after each of the delays, and then parked.
func newWorker(b broker.Broker, delays []time.Duration, j *journal, log *slog.Logger) (*consumer.Consumer, error) {
	// Read from the inside out: a panic becomes an error; a failed mail is copied to its next
	// queue; only then is the original acked. Whatever dies in between, the mail is in one of the
	// two queues, or in both.
	pipeline, err := stack.New(
		ack.New(),
		retry.New(b.Publisher(), retryPattern,
			append(retrying(delays), retry.OnRepublish(j.failed), retry.Logger(log))...),
		recovery.New(recovery.Logger(log)),
	).Then(processor.Typed(json.Unmarshal, handler(j)))
	if err != nil {
		return nil, err
	}
	return consumer.New(b.Source(workQueue), pipeline, consumer.Workers(2), consumer.Logger(log))
}

// handler sends one mail. The stack around it needs only its error.
func handler(j *journal) func(context.Context, mail, processor.Message) error {
	return func(ctx context.Context, m mail, msg processor.Message) error {
		if err := send(ctx, m, msg); err != nil {
			return err
		}
		j.sent(msg)
		return nil
	}
}

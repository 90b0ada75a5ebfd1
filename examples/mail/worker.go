package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// The names on the broker, each written only here.
const (
	// mailExchange takes new mails.
	mailExchange = "mail"
	mailKey      = "mail"
	workQueue    = "mail"

	// retryExchange takes failed mails. Each of its queues is bound under its own name.
	retryExchange = "retry"
	retryPattern  = "mail_retry_%attempt%" // attempt counts the retries, from 1
	parkedQueue   = "mail_parked"
)

// schedule returns how long a mail waits before each retry, divided by scale. The number of retries
// and the retry queues follow from this list: a fourth delay is one edit.
func schedule(scale float64) []time.Duration {
	delays := []time.Duration{30 * time.Second, 3 * time.Minute, 30 * time.Minute}
	for i, d := range delays {
		delays[i] = max(time.Duration(float64(d)/scale).Round(time.Millisecond), time.Millisecond)
	}
	return delays
}

// worker sends the mails of the work queue, two at a time. A mail that cannot be sent is retried after
// each of the delays, and then parked.
//
// All its queues are quorum queues, as the work queue is: a classic retry queue forgets an expired mail
// before the work queue has it on its disk, and if RabbitMQ is killed at that moment the mail is lost.
// A quorum one keeps it; after such a death it may hold its mails back for three minutes.
func worker(b broker.Broker, delays []time.Duration, j *journal, log *slog.Logger) service.Handler {
	return service.Handler{
		Queue:    broker.Queue{Name: workQueue, Type: broker.Quorum},
		Exchange: broker.Exchange{Name: mailExchange, Kind: broker.Direct},
		Keys:     []string{mailKey},
		// Read from the inside out: a panic becomes an error; a failed mail is copied to its next
		// queue; only then is the original acked. Whatever dies in between, the mail is in one of the
		// two queues, or in both.
		Stack: stack.New(
			ack.New(),
			retry.New(b.Publisher(), retryPattern,
				retry.Exchange(retryExchange), retry.Delays(delays...), retry.ParkKey(parkedQueue),
				retry.OnRepublish(j.failed), retry.Logger(log)),
			recovery.New(recovery.Logger(log)),
		),
		Handle:  processor.Typed(json.Unmarshal, handler(j)),
		Workers: 2,
	}
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

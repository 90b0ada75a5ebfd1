package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// The names on the broker: queues of RabbitMQ, subjects of NATS.
const (
	queue     = "orders"
	retryKeys = "orders.retry.%attempt%"
	parked    = "orders_parked"
)

// quiet is for layers whose events the journal prints.
var quiet = slog.New(slog.DiscardHandler)

// retries are the options of the retry layer, and of its queues on brokers that have queues.
func retries() []retry.Option {
	return []retry.Option{
		retry.Delays(50*time.Millisecond, 100*time.Millisecond),
		retry.ParkKey(parked),
		retry.Logger(quiet),
	}
}

// newPipeline is the whole processing of an order, and knows no broker.
func newPipeline(p processor.Publisher, j *journal) (*stack.Pipeline, error) {
	return stack.New(
		ack.New(),
		retry.New(p, retryKeys, append(retries(), retry.OnRepublish(j.failed))...),
		recovery.New(recovery.Logger(quiet)),
	).ThenFunc(func(_ context.Context, msg processor.Message) error {
		if err := ship(msg); err != nil {
			return err
		}
		j.shipped(msg)
		return nil
	})
}

// ship stands for the work. Of ten orders one fails once, one twice, one panics at first,
// and one can never be shipped.
func ship(msg processor.Message) error {
	number, err := strconv.Atoi(string(msg.Body()))
	if err != nil {
		return processor.Reject(err)
	}
	switch retries, _ := msg.Headers().Int64(retry.HeaderAttempts); {
	case number%10 == 2 && retries < 1, number%10 == 4 && retries < 2:
		return errors.New("no van is free")
	case number%10 == 6 && retries < 1:
		panic("a parcel fell down")
	case number%10 == 7:
		return errors.New("no such street")
	}
	return nil
}

package main

import (
	"time"

	"github.com/gowarren/warren/broker"
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

// retrying is the handling of failed mails. The worker and the topology both use it, so the worker
// publishes to no missing queue.
func retrying(delays []time.Duration) []retry.Option {
	return []retry.Option{retry.Exchange(retryExchange), retry.Delays(delays...), retry.ParkKey(parkedQueue)}
}

// topology is an exchange and a queue for the work, and an exchange for failed mails: with a queue
// for each delay, from which expired mails return to the work queue, and one for parked mails.
//
// They are classic queues, as the work queue is. A classic retry queue forgets an expired mail
// before the work queue has it on its disk: if RabbitMQ is killed at that moment the mail is lost,
// and no client can prevent it. With the type broker.Quorum for the work queue, all of them keep
// it; after such a death they may hold their mails back for three minutes.
func topology(delays []time.Duration) (broker.Topology, error) {
	t, err := retry.Topology(broker.Queue{Name: workQueue}, retryPattern, retrying(delays)...)
	if err != nil {
		return t, err
	}
	return t.Merge(broker.Topology{
		Exchanges: []broker.Exchange{{Name: mailExchange, Kind: broker.Direct}},
		Bindings:  []broker.Binding{{Exchange: mailExchange, Queue: workQueue, RoutingKey: mailKey}},
	}), nil
}

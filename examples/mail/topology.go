package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
)

// The names on the broker, each written here and nowhere else.
const (
	// mailExchange takes new mails, and those whose delay is over.
	mailExchange = "mail"
	mailKey      = "mail"
	workQueue    = "mail"

	// retryExchange takes what failed. Each of its queues is bound under its own name.
	retryExchange = "retry"
	retryPattern  = "mail_retry_%attempt%" // attempt counts the retries, from 1
	parkedQueue   = "mail_parked"
)

// schedule returns how long a mail waits before each retry, divided by scale. The number
// of retries and the retry queues follow from this list: a fourth delay is one edit.
func schedule(scale float64) []time.Duration {
	delays := []time.Duration{30 * time.Second, 3 * time.Minute, 30 * time.Minute}
	for i, d := range delays {
		delays[i] = max(time.Duration(float64(d)/scale).Round(time.Millisecond), time.Millisecond)
	}
	return delays
}

// retryQueue is the queue that the retry processor's pattern leads to.
func retryQueue(attempt int) string {
	return strings.ReplaceAll(retryPattern, "%attempt%", strconv.Itoa(attempt))
}

// queues are all of them, in the order of a mail's life.
func queues(delays []time.Duration) []string {
	names := []string{workQueue}
	for i := range delays {
		names = append(names, retryQueue(i+1))
	}
	return append(names, parkedQueue)
}

// topology is an exchange and a queue for the work, and beside them an exchange for
// what failed: a queue for each delay, whose mails go back to the work when they
// expire, and one for what is parked.
func topology(delays []time.Duration) broker.Topology {
	t := broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: mailExchange, Kind: broker.Direct},
			{Name: retryExchange, Kind: broker.Direct},
		},
		Queues: []broker.Queue{{Name: workQueue}, {Name: parkedQueue}},
		Bindings: []broker.Binding{
			{Exchange: mailExchange, Queue: workQueue, RoutingKey: mailKey},
			{Exchange: retryExchange, Queue: parkedQueue, RoutingKey: parkedQueue},
		},
	}
	for i, delay := range delays {
		name := retryQueue(i + 1)
		t.Queues = append(t.Queues, delayQueue(name, delay))
		t.Bindings = append(t.Bindings, broker.Binding{Exchange: retryExchange, Queue: name, RoutingKey: name})
	}
	return t
}

// delayQueue holds a mail for the delay, and then hands it to the work.
//
// It is a classic queue, which forgets an expired mail before the next queue has it on
// its disk: a RabbitMQ that is killed in just that moment loses the mail, and no client
// can help it. A quorum queue with the argument x-dead-letter-strategy: at-least-once and
// the overflow reject-publish does not, and may hold its mails back for three minutes
// after such a death.
func delayQueue(name string, delay time.Duration) broker.Queue {
	return broker.Queue{
		Name:       name,
		MessageTTL: delay,
		DeadLetter: &broker.DeadLetter{Exchange: mailExchange, RoutingKey: mailKey},
	}
}

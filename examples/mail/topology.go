package main

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
)

// The queues. Each is bound under its own name.
const (
	workQueue   = "mail"
	parkedQueue = "mail_parked"
)

func retryQueue(attempt int) string { return fmt.Sprintf("mail_retry_%d", attempt) }

// scaled returns the delays of the three retries, divided by scale.
func scaled(scale float64) []time.Duration {
	delays := []time.Duration{30 * time.Second, 3 * time.Minute, 30 * time.Minute}
	for i, d := range delays {
		delays[i] = max(time.Duration(float64(d)/scale).Round(time.Millisecond), time.Millisecond)
	}
	return delays
}

// topology is an exchange and a queue for the work, and beside them an exchange for
// what failed: a queue for each delay, whose messages go back to the work when they
// expire, and one for what is parked.
func topology(delays []time.Duration) broker.Topology {
	t := broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "mail", Kind: broker.Direct},
			{Name: "retry", Kind: broker.Direct},
		},
		Queues: []broker.Queue{{Name: workQueue}, {Name: parkedQueue}},
		Bindings: []broker.Binding{
			{Exchange: "mail", Queue: workQueue, RoutingKey: "mail"},
			{Exchange: "retry", Queue: parkedQueue, RoutingKey: parkedQueue},
		},
	}
	for i, delay := range delays {
		name := retryQueue(i + 1)
		t.Queues = append(t.Queues, broker.Queue{
			Name:       name,
			MessageTTL: delay,
			DeadLetter: &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail"},
		})
		t.Bindings = append(t.Bindings, broker.Binding{Exchange: "retry", Queue: name, RoutingKey: name})
	}
	return t
}

// queues are all of them, in the order of a mail's life.
func queues() []string {
	return []string{workQueue, retryQueue(1), retryQueue(2), retryQueue(3), parkedQueue}
}

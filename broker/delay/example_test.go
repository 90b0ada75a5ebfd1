package delay_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// Any delay, rounded up to the unit, through queues that all services share.
func ExampleLadder() {
	later, err := delay.Ladder(delay.Unit(time.Millisecond), delay.Longest(time.Minute))("mail", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(later)
	show(later, 25*time.Millisecond)
	// Output:
	// ladder of 16 levels, unit 1ms, quorum
	// hello, not before 25ms, having waited 1 time
}

// A fixed schedule, with a queue for each delay.
func ExampleSteps() {
	later, err := delay.Steps()("mail", []time.Duration{20 * time.Millisecond, time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(later)
	for _, q := range later.Topology().Queues {
		fmt.Println(q.Name)
	}
	show(later, 15*time.Millisecond) // in the step of 20 ms
	// Output:
	// steps 20ms 1m, quorum
	// mail.delay.v1.quorum.20ms
	// mail.delay.v1.quorum.1m
	// hello, not before 15ms, having waited 1 time
}

// show delays a message on an embedded broker.
func show(later delay.Delayer, d time.Duration) {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	work := broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}
	if err := b.Declare(ctx, work.Merge(later.Topology())); err != nil {
		fmt.Println(err)
		return
	}
	sub, err := b.Source("mail").Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := time.Now()
	if err := later.Delay(ctx, b.Publisher(), processor.Envelope{Body: []byte("hello")}, d); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := sub.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if time.Since(start) >= d {
		fmt.Printf("%s, not before %v, having waited %d time\n", msg.Body(), d, later.Waits(msg.Headers()))
	}
	if err := msg.Ack(); err != nil {
		fmt.Println(err)
	}
}

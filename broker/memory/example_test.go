package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// A rejected message waits in another queue and returns.
func Example() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()

	err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{
		{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "later"}},
		{Name: "later", MessageTTL: 50 * time.Millisecond, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	to := processor.Destination{RoutingKey: "mail"} // the default exchange
	if err := b.Publisher().Publish(ctx, to, processor.Envelope{Body: []byte("hello")}); err != nil {
		fmt.Println(err)
		return
	}
	sub, err := b.Source("mail").Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, settle := range []func(processor.Message) error{reject, processor.Message.Ack} {
		msg, err := sub.Receive(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		deaths, _ := msg.Headers().List("x-death")
		fmt.Printf("%s, with %d entries in x-death\n", msg.Body(), len(deaths))
		if err := settle(msg); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// hello, with 0 entries in x-death
	// hello, with 2 entries in x-death
}

func reject(m processor.Message) error { return m.Nack(false) }

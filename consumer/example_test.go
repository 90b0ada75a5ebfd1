package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// A worker with two retries, on the embedded broker.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	defer func() { _ = b.Close(ctx) }()
	back := &broker.DeadLetter{RoutingKey: "mail"} // to the work queue
	err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{
		{Name: "mail"},
		{Name: "mail_retry_1", MessageTTL: 10 * time.Millisecond, DeadLetter: back},
		{Name: "mail_retry_2", MessageTTL: 20 * time.Millisecond, DeadLetter: back},
		{Name: "mail_parked"},
	}})
	if err != nil {
		panic(err)
	}

	type mail struct{ To string }
	tries := 0
	send := func(_ context.Context, m mail, _ processor.Message) error {
		if tries++; tries < 3 {
			return errors.New("451 try again later")
		}
		fmt.Printf("sent to %s at the attempt %d\n", m.To, tries)
		return processor.ErrStop // done, and no more messages
	}
	pipeline, err := stack.New(
		ack.New(),
		retry.New(b.Publisher(), "mail_retry_%attempt%", retry.Retries(2), retry.ParkKey("mail_parked")),
		recovery.New(),
	).Then(processor.Typed(json.Unmarshal, send))
	if err != nil {
		panic(err)
	}

	err = b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte(`{"To":"anna"}`)})
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(b.Source("mail"), pipeline)
	if err != nil {
		panic(err)
	}
	if err := c.Run(ctx); err != nil {
		panic(err)
	}
	// Output: sent to anna at the attempt 3
}

// Many accounts at once, and one message at a time of each.
func ExampleOrderBy() {
	b := memory.New()
	ctx, cancel := context.WithCancel(context.Background())
	_ = b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}})
	for _, text := range []string{"open", "change", "close"} {
		e := processor.Envelope{Body: []byte(text), Headers: processor.Headers{"account": "a1"}}
		_ = b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, e)
	}

	pipeline, err := stack.New(ack.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		fmt.Println(string(msg.Body()))
		if string(msg.Body()) == "close" {
			cancel()
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(b.Source("mail"), pipeline,
		consumer.Workers(10), consumer.Prefetch(100), consumer.OrderBy(key.Header("account")))
	if err != nil {
		panic(err)
	}
	err = c.Run(ctx)
	fmt.Println(err, b.Close(context.Background()))
	// Output:
	// open
	// change
	// close
	// <nil> <nil>
}

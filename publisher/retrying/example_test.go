package retrying_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/publisher/retrying"
)

// The first answer is lost on its way, so the message is published twice. It is handled once.
func ExampleNew() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		panic(err)
	}
	publisher, err := retrying.New(&losesOneAnswer{Publisher: b.Publisher()},
		retrying.OnError(func(err error, _ time.Duration) { fmt.Println(err) }))
	if err != nil {
		panic(err)
	}
	err = publisher.Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte("hello")})
	fmt.Println("published:", err == nil)

	p, err := stack.New(ack.New(), dedup.New(dedup.NewMemory(1000, time.Hour))).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			fmt.Printf("handled: %s\n", msg.Body())
			return nil
		})
	if err != nil {
		panic(err)
	}
	copies, err := b.Source("mail").Subscribe(ctx, broker.SubscribeOptions{Prefetch: 2})
	if err != nil {
		panic(err)
	}
	defer func() { _ = copies.Close(ctx) }()
	for n := 1; n <= 2; n++ {
		msg, err := copies.Receive(ctx)
		if err != nil {
			panic(err)
		}
		fmt.Println("received, copies:", n)
		if err := p.Process(ctx, msg); err != nil {
			panic(err)
		}
	}
	// Output:
	// the broker's answer was lost; the message may be stored or not
	// published: true
	// received, copies: 1
	// handled: hello
	// received, copies: 2
}

type losesOneAnswer struct {
	processor.Publisher
	lost bool
}

func (l *losesOneAnswer) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	err := l.Publisher.Publish(ctx, to, e)
	if err == nil && !l.lost {
		l.lost = true
		return processor.ErrIndeterminate
	}
	return err
}

// A classic queue whose node is down is unroutable until the node is back. So is one that was never
// declared: Retries bounds that.
func ExampleIf() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	publisher, err := retrying.New(b.Publisher(),
		retrying.If(func(err error) bool { return errors.Is(err, processor.ErrUnroutable) }),
		retrying.Backoff(time.Millisecond, time.Second), retrying.Retries(3))
	if err != nil {
		panic(err)
	}
	fmt.Println(publisher.Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
	// Output:
	// retrying: tries: 4: memory: publish to queue "mail" (default exchange): no queue takes this message: nothing is bound for the key
}

package redelivery_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
)

func ExampleNew() {
	ctx := context.Background()
	b := memory.New() // or rabbitmq.Open
	defer func() { _ = b.Close(ctx) }()
	options := []redelivery.Option{redelivery.Retries(2), redelivery.Wait(50*time.Millisecond, time.Second)}
	topology, err := redelivery.Topology(broker.Queue{Name: "mail"}, "mail_parked", options...)
	if err != nil {
		panic(err)
	}
	if err := b.Declare(ctx, topology); err != nil {
		panic(err)
	}
	tries := map[string]int{}
	pipeline, err := stack.New(
		ack.New(),
		redelivery.New(b.Publisher(), "mail_parked", append(options, redelivery.Logger(quiet))...),
		recovery.New(),
	).ThenFunc(func(_ context.Context, msg processor.Message) error {
		letter := string(msg.Body())
		tries[letter]++
		if letter == "a letter" && tries[letter] == 2 {
			fmt.Println(letter, "is sent at the second try")
			return nil
		}
		return errors.New("out of stamps")
	})
	if err != nil {
		panic(err)
	}
	for _, letter := range []string{"a letter", "a parcel"} {
		e := processor.Envelope{Body: []byte(letter)}
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, e); err != nil {
			panic(err)
		}
	}
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	c, err := consumer.New(b.Source("mail"), pipeline, consumer.Logger(quiet))
	if err != nil {
		panic(err)
	}
	if err := c.Run(ctx); err != nil {
		panic(err)
	}
	n, _ := b.Ready(context.Background(), "mail_parked")
	fmt.Println(n, "is parked, after", tries["a parcel"], "tries")
	// Output:
	// a letter is sent at the second try
	// 1 is parked, after 3 tries
}

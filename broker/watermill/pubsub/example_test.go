package pubsub_test

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/watermill/pubsub"
)

// A router on a broker of Warren's: with rabbitmq.Open instead of memory.New it is RabbitMQ.
func Example() {
	b := memory.New()
	sub, err := pubsub.NewSubscriber(b, pubsub.DurablePubSub("mail"), pubsub.InFlight(20))
	if err != nil {
		fmt.Println(err)
		return
	}
	pub, err := pubsub.NewPublisher(b, pubsub.DurablePubSub(""))
	if err != nil {
		fmt.Println(err)
		return
	}
	router := message.NewDefaultRouter(nil)
	router.AddConsumerHandler("mail", "orders", sub, func(msg *message.Message) error {
		fmt.Printf("mail for order %s\n", msg.Payload)
		go func() { _ = router.Close() }() // which waits for the ack
		return nil
	})
	go func() {
		<-router.Running()
		_ = pub.Publish("orders", message.NewMessage("1", []byte("4711")))
	}()
	if err := router.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	_ = b.Close(context.Background())
	// Output: mail for order 4711
}

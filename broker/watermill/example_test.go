package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// A router whose handler is retried under other topics, and whose last failure is parked.
func ExampleMiddleware() {
	ctx := context.Background()
	broker := gochannel.NewGoChannel(gochannel.Config{}, nil)
	publisher, err := watermill.NewPublisher(broker)
	if err != nil {
		fmt.Println(err)
		return
	}
	retries, err := watermill.Middleware(stack.New(
		retry.New(publisher, "mail.retry.%attempt%",
			retry.Retries(2), retry.ParkKey("mail.dead"), retry.Logger(slog.New(slog.DiscardHandler))),
		recovery.New(),
	), watermill.Poison(broker, "mail.rejected"))
	if err != nil {
		fmt.Println(err)
		return
	}

	router := message.NewDefaultRouter(nil)
	router.AddMiddleware(retries)
	for _, topic := range []string{"mail", "mail.retry.1", "mail.retry.2"} {
		router.AddConsumerHandler(topic, topic, broker, func(m *message.Message) error {
			fmt.Printf("%s: sending %s\n", topic, m.Payload)
			return errors.New("550 no such mailbox")
		})
	}
	dead, err := broker.Subscribe(ctx, "mail.dead")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		<-router.Running()
		_ = broker.Publish("mail", message.NewMessage("1", []byte("a letter")))
		m := <-dead
		fmt.Printf("mail.dead: %s, after %s failures: %s\n", m.Payload, m.Metadata["warren-failures"], m.Metadata["warren-error"])
		m.Ack()
		_ = router.Close()
	}()
	if err := router.Run(ctx); err != nil {
		fmt.Println(err)
	}
	_ = broker.Close()
	// Output:
	// mail: sending a letter
	// mail.retry.1: sending a letter
	// mail.retry.2: sending a letter
	// mail.dead: a letter, after 3 failures: 550 no such mailbox
}

// A Watermill middleware in a stack, on a Watermill broker.
func ExampleFromMiddleware() {
	broker := gochannel.NewGoChannel(gochannel.Config{Persistent: true}, nil)
	defer func() { _ = broker.Close() }()
	_ = broker.Publish("mail", message.NewMessage("1", []byte("a letter")))

	pipeline, err := stack.New(
		ack.New(),
		watermill.FromMiddleware(middleware.Timeout(time.Minute)),
	).ThenFunc(func(ctx context.Context, msg processor.Message) error {
		_, limited := ctx.Deadline()
		fmt.Printf("sending %s, limited: %v\n", msg.Body(), limited)
		return processor.ErrStop
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := watermill.NewSource(broker, "mail", watermill.Poison(broker, "mail.dead"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := consumer.New(source, pipeline)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sending a letter, limited: true
}

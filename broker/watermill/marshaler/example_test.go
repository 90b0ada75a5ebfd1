package marshaler_test

import (
	"fmt"

	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/watermill/marshaler"
)

// A message that Swarrot has retried, as watermill-amqp's subscriber delivers it and its publisher
// republishes it.
func Example() {
	config := wamqp.NewDurableQueueConfig("amqp://guest:guest@localhost:5672/")
	config.Marshaler = marshaler.Typed{}

	msg, err := config.Marshaler.Unmarshal(amqp.Delivery{
		MessageId: "mail-7",
		Headers:   amqp.Table{"swarrot_retry_attempts": int32(2)},
		Body:      []byte("hello"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(msg.UUID, msg.Metadata["swarrot_retry_attempts"])

	publishing, err := config.Marshaler.Marshal(msg)
	fmt.Printf("%s %T %v\n", publishing.MessageId, publishing.Headers["swarrot_retry_attempts"], err)
	// Output:
	// mail-7 2
	// mail-7 int32 <nil>
}

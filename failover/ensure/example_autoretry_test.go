package ensure_test

import (
	"context"
	"log"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
)

// A channel that is used for many operations, and replaced when it is lost.
func ExampleAutoRetry() { //nolint:testableexamples // it needs a broker
	ctx := context.Background()
	connection, err := failover.Dial(ctx, []string{"amqp://broker1:5672;amqp://broker2:5672"})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = connection.Close(ctx) }()

	var channel *amqp.Channel // none yet: AutoRetry opens one
	for _, queue := range []string{"mail", "invoices"} {
		channel, err = ensure.AutoRetry(ctx, connection, channel, func(_ context.Context, channel *amqp.Channel) error {
			_, err := channel.QueueDeclare(queue, true, false, false, false, nil)
			return err
		})
		if err != nil {
			log.Print(err)
			return
		}
	}
	_ = channel.Close()
}

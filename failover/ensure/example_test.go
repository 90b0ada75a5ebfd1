package ensure_test

import (
	"context"
	"fmt"
	"log"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
)

// A publish that is tried again until the broker has the message. Only a confirm says
// that it has.
func ExampleDo() { //nolint:testableexamples // it needs a broker
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := failover.Dial(ctx, []string{"amqp://broker1:5672;amqp://broker2:5672"})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = connection.Close(ctx) }()

	publish := func(ctx context.Context, channel *amqp.Channel) error {
		if err := channel.Confirm(false); err != nil {
			return err
		}
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("hello")}
		confirm, err := channel.PublishWithDeferredConfirm("", "dest", true, false, message)
		if err != nil {
			return err
		}
		confirmed, err := confirm.WaitContext(ctx)
		if err == nil && !confirmed {
			err = fmt.Errorf("not confirmed: %w", ensure.ErrRetry)
		}
		return err
	}
	err = ensure.Do(ctx, connection, publish,
		ensure.Retries(3),
		ensure.OnError(func(err error, next time.Duration) { log.Printf("%v; retry in %v", err, next) }))
	if err != nil {
		log.Print(err)
	}
}

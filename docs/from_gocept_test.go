package docs_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/identity"
)

type principal struct{}

func importBody(context.Context, []byte) error { return nil }

func logMessageBody(_ context.Context, msg processor.Message) ([]respond.Result, error) {
	slog.Info(string(msg.Body()))
	return []respond.Result{{
		To: processor.Destination{Exchange: "amq.topic", RoutingKey: "test.thank.messages"},
		Envelope: processor.Envelope{
			Body:       []byte("Thank you for your message."),
			Properties: processor.Properties{ContentType: "text/plain"},
		},
	}}, nil
}

func run(ctx context.Context, file string) error {
	cfg, err := config.Load(file, config.Requires[time.Duration]("imports.timeout"))
	if err != nil {
		return err
	}
	slog.SetDefault(cfg.Logger(os.Stderr))
	b, err := rabbitmq.Open(ctx, cfg.Brokers())
	if err != nil {
		return err
	}
	return service.Run(cfg.Context(ctx), b, service.OwnBroker(), service.Consumers(cfg.Consumer()...),
		service.Handler{
			Queue: broker.Queue{Name: "test.queue", Type: broker.Quorum},
			Keys:  []string{"test.routing", "test.other"}, // of amq.topic
			Stack: stack.New(
				ack.New(),
				retry.New(b.Publisher(), "test.queue_retry_%delay%", retry.Delays(30*time.Second, 3*time.Minute), retry.ParkKey("test.queue_parked")),
				respond.New(b.Publisher()),
				recovery.New(),
			),
			Handle: respond.Handler(logMessageBody),
		},
	)
}

func handle(ctx context.Context, msg processor.Message) error {
	timeout, err := config.Setting[time.Duration](ctx, "imports.timeout")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return importBody(ctx, msg.Body())
}

func send(ctx context.Context, b broker.Broker) error {
	s, err := service.New(b, service.Identity(identity.AppID("shop")))
	if err != nil {
		return err
	}
	return s.Send(ctx, processor.Destination{Exchange: "amq.topic", RoutingKey: "test.routing"}, processor.Envelope{Body: []byte("hello")})
}

func asPrincipal(id string) consumer.Option {
	return consumer.MessageContext(func(ctx context.Context, _ processor.Message) (context.Context, error) {
		return context.WithValue(ctx, principal{}, id), nil
	})
}

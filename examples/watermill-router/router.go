package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/tracing"
	publishertracing "github.com/gowarren/warren/publisher/tracing"
)

// run posts some letters, and works until each is sent or parked.
func run(ctx context.Context, b broker.Broker, sub message.Subscriber, pub message.Publisher, w io.Writer) (err error) {
	office := newOffice(w)
	traces := newTraces()
	publisher, err := publishertracing.New(b.Publisher(), publishertracing.TracerProvider(traces.provider), publishertracing.Propagator(propagator))
	if err != nil {
		return err
	}
	layers := stack.New(
		tracing.New(tracing.TracerProvider(traces.provider), tracing.Propagator(propagator)),
		retry.New(publisher, retryKeys, append(options(), retry.OnRepublish(office.failed))...),
		recovery.New(),
	)
	// With the park key nothing is rejected, so nothing is discarded.
	middleware, err := watermill.Middleware(layers, watermill.Discard(nil)) //nolint:contextcheck // it has that of each message
	if err != nil {
		return err
	}

	router, err := message.NewRouter(message.RouterConfig{}, wm.NewSlogLogger(slog.Default()))
	if err != nil {
		return err
	}
	router.AddMiddleware(office.watch, middleware)
	router.AddConsumerHandler("post", letters, sub, office.send)
	go func() {
		select {
		case <-office.empty:
			_ = router.Close()
		case <-ctx.Done(): // which ends the router, too
		}
	}()
	if err := post(pub); err != nil {
		return errors.Join(err, sub.Close(), pub.Close())
	}
	err = errors.Join(router.Run(ctx), pub.Close())
	traces.report(w)
	return err
}

// post publishes the letters.
func post(pub message.Publisher) error {
	for _, name := range names {
		if err := pub.Publish(letters, message.NewMessage(name, []byte("Dear "+name))); err != nil {
			return err
		}
	}
	return nil
}

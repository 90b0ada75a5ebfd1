// Results is a worker whose handler returns messages, which are sent before its own message is acked, and a
// consumer that processes each of them once, although the worker is stopped between the two, again and again:
//
//	go run ./examples/results
//	go run ./examples/results -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/codec"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/publisher/identity"
	"github.com/gowarren/warren/publisher/typed"
)

func main() { example.Main() }

var example = program.Program{Name: "results", Topology: topology, Run: run}

// The queues.
const (
	orders = "orders"
	mails  = "order_mails"
	faults = "order_faults"
)

// quiet discards logs: the example prints what happens.
var quiet = slog.New(slog.DiscardHandler)

func topology() (broker.Topology, error) {
	var t broker.Topology
	for _, name := range []string{orders, mails, faults} {
		t.Queues = append(t.Queues, broker.Queue{Name: name, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit})
	}
	return t, nil
}

type order struct {
	Customer string   `json:"customer"`
	Items    []string `json:"items"`
}

type mail struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

var errEmpty = errors.New("nothing is ordered")

// confirm returns a mail for each item, to be sent.
func confirm(_ context.Context, o order, _ processor.Message) ([]respond.Result, error) {
	if len(o.Items) == 0 {
		return nil, errEmpty
	}
	var results []respond.Result
	for _, item := range o.Items {
		body, err := json.Marshal(mail{o.Customer, item + " is on its way"})
		if err != nil {
			return nil, err
		}
		results = append(results, respond.Result{To: processor.Destination{RoutingKey: mails}, Envelope: processor.Envelope{Body: body}})
	}
	return results, nil
}

// run sends orders, and ends when all their mails have arrived.
func run(ctx context.Context, b broker.Broker, w io.Writer) error {
	if err := send(ctx, b); err != nil {
		return err
	}
	post := newPost(w)
	workers := []struct {
		queue   string
		stack   stack.Stack
		handler processor.Processor
	}{
		{orders, stack.New(
			ack.New(),
			post.interrupted(), // between the results and the ack
			respond.New(b.Publisher(),
				respond.DerivedIDs("confirm"), // results that are sent again have the same ids
				respond.Errors(processor.Destination{RoutingKey: faults}, nil, nil),
				respond.Logger(quiet)),
			recovery.New(),
		), respond.Typed(json.Unmarshal, confirm)},
		{mails, stack.New(ack.New(), dedup.New(dedup.NewMemory(100, time.Hour), dedup.Logger(quiet)), recovery.New()),
			processor.Typed(json.Unmarshal, post.mail)},
		{faults, stack.New(ack.New(), recovery.New()), processor.ProcessorFunc(post.fault)},
	}
	var consumers []*consumer.Consumer
	for _, worker := range workers {
		pipeline, err := worker.stack.Then(worker.handler)
		if err != nil {
			return err
		}
		c, err := consumer.New(b.Source(worker.queue), pipeline, consumer.Logger(quiet))
		if err != nil {
			return err
		}
		consumers = append(consumers, c)
	}
	ctx = program.Until(ctx, post.done)
	ended := make(chan error, len(consumers))
	for _, c := range consumers {
		go func() { ended <- c.Run(ctx) }()
	}
	return errors.Join(<-ended, <-ended, <-ended)
}

// send publishes the orders, with ids: the ids of the results are derived from them.
func send(ctx context.Context, b broker.Broker) error {
	named, err := identity.New(b.Publisher(), identity.AppID("shop"))
	if err != nil {
		return err
	}
	shop, err := typed.New[order](named, codec.JSON)
	if err != nil {
		return err
	}
	for _, o := range []order{{"Ann", []string{"tea", "a cup"}}, {"Bob", nil}, {"Cid", []string{"a lamp"}}} {
		if err := shop.Publish(ctx, processor.Destination{RoutingKey: orders}, o); err != nil {
			return err
		}
	}
	return nil
}

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
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
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

var example = program.Program{Name: "results", New: shop}

// The queues.
const (
	orders = "orders"
	mails  = "order_mails"
	faults = "order_faults"
)

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

// shop sends orders, until all their mails have arrived.
func shop(b broker.Broker, w io.Writer) ([]service.Option, program.Work) {
	post := newPost(w)
	keeps := func(name string) broker.Queue {
		return broker.Queue{Name: name, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}
	}
	return []service.Option{
			service.Identity(identity.AppID("shop")),
			service.Handler{
				Queue: keeps(orders),
				Stack: stack.New(
					ack.New(),
					post.interrupted(), // between the results and the ack
					respond.New(b.Publisher(),
						respond.DerivedIDs("confirm"), // results that are sent again have the same ids
						respond.Errors(processor.Destination{RoutingKey: faults}, nil, nil)),
					recovery.New(),
				),
				Handle: respond.Typed(json.Unmarshal, confirm),
			},
			service.Handler{
				Queue:  keeps(mails),
				Stack:  stack.New(ack.New(), dedup.New(dedup.NewMemory(100, time.Hour)), recovery.New()),
				Handle: processor.Typed(json.Unmarshal, post.mail),
			},
			service.Handler{
				Queue:  keeps(faults),
				Stack:  stack.New(ack.New(), recovery.New()),
				Handle: processor.ProcessorFunc(post.fault),
			},
		}, func(ctx context.Context, s *service.Service) error {
			defer program.Await(ctx, post.done)
			return send(ctx, s)
		}
}

// send publishes the orders. The service gives them ids, of which the ids of the results are derived.
func send(ctx context.Context, s *service.Service) error {
	publisher, err := typed.New[order](s.Publisher(), codec.JSON)
	if err != nil {
		return err
	}
	for _, o := range []order{{"Ann", []string{"tea", "a cup"}}, {"Bob", nil}, {"Cid", []string{"a lamp"}}} {
		if err := publisher.Publish(ctx, processor.Destination{RoutingKey: orders}, o); err != nil {
			return err
		}
	}
	return nil
}

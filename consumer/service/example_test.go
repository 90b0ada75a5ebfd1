package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// Mails that fail are retried, and parked in the end: another handler reads those. Here the service
// ends with the first that is parked.
func Example() {
	b := memory.New() // or rabbitmq.Open(ctx, urls)
	type mail struct{ To string }
	send := func(_ context.Context, m mail, _ processor.Message) error {
		fmt.Println("sending to", m.To)
		return errors.New("no such address")
	}
	var s *service.Service
	read := func(_ context.Context, msg processor.Message) error {
		why, _ := msg.Headers().String("warren-error")
		fmt.Printf("parked: %s: %s\n", msg.Body(), why)
		s.End()
		return nil
	}
	var err error
	s, err = service.New(b,
		service.OwnBroker(),
		service.Handler{
			Queue: broker.Queue{Name: "mail", Type: broker.Quorum},
			Keys:  []string{"mail.#"}, // of amq.topic
			Stack: stack.New(
				ack.New(),
				retry.New(b.Publisher(), "mail_retry_%delay%", retry.Delays(10*time.Millisecond), retry.ParkKey("mail_parked")),
				recovery.New()),
			Handle:  processor.Typed(json.Unmarshal, send),
			Workers: 8,
		},
		service.Handler{
			Queue:  broker.Queue{Name: "mail_parked"}, // as the other handler describes it
			Stack:  stack.New(ack.New(), recovery.New()),
			Handle: processor.ProcessorFunc(read),
		})
	if err != nil {
		panic(err)
	}
	go func() {
		<-s.Ready()
		to := processor.Destination{Exchange: "amq.topic", RoutingKey: "mail.new"}
		_ = s.Send(context.Background(), to, processor.Envelope{Body: []byte(`{"To":"anna"}`)})
	}()
	fmt.Println(s.Run(context.Background()))
	// Output:
	// sending to anna
	// sending to anna
	// parked: {"To":"anna"}: no such address
	// <nil>
}

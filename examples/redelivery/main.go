// Redelivery is a worker that sends letters, and lets the queue delay the retries: a failed letter
// is requeued, redelivered after a growing wait, and parked in the end. There are no retry queues
// and no copies:
//
//	go run ./examples/redelivery
//	go run ./examples/redelivery -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ (4.3 or newer) if AMQP_URL is set.
package main

import (
	"io"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
)

func main() { example.Main() }

var example = program.Program{Name: "redelivery", New: post}

// The queues.
const (
	work   = "letters"
	parked = "letters_parked"
)

// post sends each letter, until the last one is sent or parked.
func post(b broker.Broker, w io.Writer) ([]service.Option, program.Work) {
	office := newOffice(w)
	return []service.Option{
		service.Handler{
			Queue: broker.Queue{Name: work},
			Stack: stack.New(
				ack.New(),
				redelivery.New(b.Publisher(), parked,
					redelivery.Retries(4), redelivery.Wait(100*time.Millisecond, 250*time.Millisecond)),
				recovery.New(),
			),
			Handle: processor.ProcessorFunc(office.send),
		},
		service.Handler{
			Queue:  broker.Queue{Name: parked}, // as the other handler describes it
			Stack:  stack.New(ack.New()),
			Handle: processor.ProcessorFunc(office.parked),
		},
	}, program.Send(work, letters, office.done)
}

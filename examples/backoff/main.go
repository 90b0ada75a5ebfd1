// Backoff is a worker that waits for payments. An unpaid one is retried by a schedule, one that the
// bank is too busy for is retried soon, one with a date is retried on that date, and one that is
// never paid is parked:
//
//	go run ./examples/backoff
//	go run ./examples/backoff -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
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
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

func main() { example.Main() }

var example = program.Program{Name: "backoff", New: payments}

// The queues.
const (
	work   = "payments"
	parked = "payments_parked"
)

// payments asks for each payment, until the last one is paid or parked.
func payments(b broker.Broker, w io.Writer) ([]service.Option, program.Work) {
	office := newOffice(w)
	return []service.Option{service.Handler{
		Queue: broker.Queue{Name: work},
		Stack: stack.New(
			ack.New(),
			backoff.New(b.Publisher(), work,
				backoff.Schedule(backoff.List(100*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond)),
				backoff.Jitter(0), // for the same output each time; leave it out otherwise
				backoff.Retries(4),
				backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(50*time.Millisecond)), backoff.Retries(processor.NoLimit)),
				backoff.Park(processor.Destination{RoutingKey: parked}),
				backoff.OnBackoff(office.told)),
			recovery.New(),
		),
		Handle: processor.ProcessorFunc(office.ask),
	}}, program.Send(work, office.payments, office.done)
}

package verify_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
)

// A service does not begin to consume where its messages would be lost. A notice for an operator,
// such as a queue of an earlier schedule, does not stop it.
func ExampleTopology() { //nolint:testableexamples // it needs a broker
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := rabbitmq.Open(ctx, []string{"amqp://guest:guest@localhost:5672/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = b.Close(ctx) }()
	topology := broker.Topology{
		Queues: []broker.Queue{
			{Name: "mail", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "mail_parked"}},
			{Name: "mail_parked"},
			{Name: "mail.delay.30s", MessageTTL: 30 * time.Second, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
		},
		Owned: []string{"mail.delay."},
	}

	report, err := verify.Topology(ctx, b, topology,
		verify.Management(os.Getenv("RABBITMQ_MANAGEMENT_URL")), // http://user:password@localhost:15672
		verify.InPlace(20, "mail"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)
	// Such as:
	//
	//	fault: queue "mail.delay.30s": x-message-ttl: planned 30000 (30s), live 60000 (1m0s); it keeps what it was ...
	//	notice: queue "mail.delay.5s": it is left over from an earlier topology, and holds 3 messages; delete it ...
	if err := report.Err(); err != nil {
		fmt.Println("not consuming:", err)
	}
}

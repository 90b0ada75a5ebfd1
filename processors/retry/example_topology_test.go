package retry_test

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// The queues come from the same schedule as the keys. When the schedule changes, so do the
// names of the queues, and those of the old one run empty.
func ExampleTopology() {
	const key = "mail_retry_%delay%"
	schedule := []retry.Option{
		retry.Delays(30*time.Second, 3*time.Minute, 30*time.Minute),
		retry.ParkKey("mail_parked"),
	}
	topology, err := retry.Topology(broker.Queue{Name: "mail"}, key, schedule...)
	if err != nil {
		panic(err)
	}
	fmt.Print(plan.Of(topology))

	publisher := &processortest.Publisher{} // a broker's Publisher(), after its Declare(ctx, topology)
	_ = stack.New(ack.New(), retry.New(publisher, key, schedule...))
	// Output:
	// queue     mail            default type
	// queue     mail_retry_30s  default type  TTL 30s, dead letters to the default exchange with key mail
	// queue     mail_retry_3m   default type  TTL 3m0s, dead letters to the default exchange with key mail
	// queue     mail_retry_30m  default type  TTL 30m0s, dead letters to the default exchange with key mail
	// queue     mail_parked     default type
	//
	// binding   (default)  -> each queue  key: its name
	//
	// owned     queues whose names begin with mail_retry_
}

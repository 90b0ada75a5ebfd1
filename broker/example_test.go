package broker_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
)

// A topology is data: it can be put together from parts, checked and printed before
// anything is declared.
func ExampleTopology() {
	work := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}},
		Queues:    []broker.Queue{{Name: "mail"}},
		Bindings:  []broker.Binding{{Exchange: "mail", Queue: "mail", RoutingKey: "mail"}},
	}
	// After 30 seconds here a message goes back to mail.
	retry := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}},
		Queues: []broker.Queue{{
			Name:       "mail.retry",
			MessageTTL: 30 * time.Second,
			DeadLetter: &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail"},
		}},
		Bindings: []broker.Binding{{Exchange: "mail", Queue: "mail.retry", RoutingKey: "retry"}},
	}

	all := work.Merge(retry)
	fmt.Println(len(all.Exchanges), "exchange,", len(all.Queues), "queues,", len(all.Bindings), "bindings")
	fmt.Println(all.Queues[1].AllArguments())
	fmt.Println(all.Validate())
	// Output:
	// 1 exchange, 2 queues, 2 bindings
	// map[x-dead-letter-exchange:mail x-dead-letter-routing-key:mail x-message-ttl:30000]
	// <nil>
}

// Validate names everything that is wrong, before a broker is asked.
func ExampleTopology_Validate() {
	err := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: "directly"}},
		Queues:    []broker.Queue{{Name: "mail", Type: broker.Quorum, AutoDelete: true}},
	}.Validate()
	fmt.Println(err)
	fmt.Println(errors.Is(err, broker.ErrTopology))
	// Output:
	// broker: the topology cannot be declared: exchange "mail": kind "directly" is none of direct, topic, fanout and headers, nor a plugin's (x-...)
	// broker: the topology cannot be declared: queue "mail": a quorum queue cannot be transient, exclusive or auto-delete
	// true
}

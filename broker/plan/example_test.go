package plan_test

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
)

// A failed message waits for half a minute and returns; one that keeps failing is parked.
func ExampleOf() {
	topology := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Topic}},
		Queues: []broker.Queue{
			{Name: "mail", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "mail.parked"}},
			{Name: "mail.retry", MessageTTL: 30 * time.Second, DeadLetter: &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail.again"}},
			{Name: "mail.parked", MaxLength: 10_000, Overflow: broker.RejectPublish},
		},
		Bindings: []broker.Binding{
			{Exchange: "mail", Queue: "mail", RoutingKey: "mail.#"},
			{Exchange: "mail", Queue: "mail.retry", RoutingKey: "retry"},
		},
	}
	fmt.Print(plan.Of(topology))
	// Output:
	// exchange  mail  topic
	//
	// queue     mail         quorum        dead letters to the default exchange with key mail.parked
	// queue     mail.retry   default type  TTL 30s, dead letters to exchange mail with key mail.again
	// queue     mail.parked  default type  at most 10000 messages, overflow reject-publish
	//
	// binding   mail       -> mail        key mail.#
	// binding   mail       -> mail.retry  key retry
	// binding   (default)  -> each queue  key: its name
}

// The flowchart can be pasted where Markdown is shown, between ```mermaid and ```.
func ExamplePlan_Mermaid() {
	fmt.Print(plan.Of(broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}},
		Queues: []broker.Queue{
			{Name: "mail"},
			{Name: "mail_retry_1", MessageTTL: 30 * time.Second, DeadLetter: &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail"}},
		},
		Bindings: []broker.Binding{
			{Exchange: "mail", Queue: "mail", RoutingKey: "mail"},
			{Exchange: "mail", Queue: "mail_retry_1", RoutingKey: "retry"},
		},
	}).Mermaid())
	// Output:
	// flowchart LR
	//     exchange1{{"mail<br/>direct"}}
	//     queue1(["mail"])
	//     queue2(["mail_retry_1<br/>TTL 30s"])
	//     exchange1 -->|"key mail"| queue1
	//     exchange1 -->|"key retry"| queue2
	//     queue2 -.->|"after 30s, key mail"| exchange1
	//     classDef absent stroke-dasharray:4
}

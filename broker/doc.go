// Package broker describes the topology of a message broker as data, and has the contract
// that Warren's brokers share.
//
// A [Topology] is a plain value: exchanges, queues and bindings with their arguments.
// Package plan shows it as text, as definitions for rabbitmqctl and as diagrams.
//
// A [Broker] declares a topology, and has sources and publishers. broker/memory and
// broker/rabbitmq implement it, and broker/brokertest tests both for the same behaviour,
// so that a stack which works on the one works on the other.
//
// # Writing a broker
//
// A [Source] is a queue that can be subscribed to. Its [Subscription] delivers messages.
// Each is a [Delivery], which a [Channel] makes from an envelope, an origin and an
// [Acknowledger]; the Acknowledger sends the settlements to the broker. The channel has the
// context of its messages, and ends it when the broker will redeliver them.
// Publishers are a [processor.Publisher].
package broker

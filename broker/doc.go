// Package broker describes what lives in a message broker, as data, and the contract
// that Warren's brokers share.
//
// A [Topology] is a plain value: exchanges, queues and bindings with their arguments.
// Its [Plan] shows it as text, as definitions for rabbitmqctl and as diagrams.
// A [Broker] declares one and hands out sources and publishers. broker/memory and
// broker/rabbitmq implement it, and broker/brokertest holds both to the same behaviour,
// so that a stack which works on the one works on the other.
package broker

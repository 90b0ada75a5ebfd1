// Package watermill_test measures Watermill applications on a real RabbitMQ node:
// watermill-amqp beside Warren's pubsub. Each takes the same messages from a durable classic
// queue, and starts a goroutine for each, as Watermill's router does.
//
// Only the ratio within one run counts: the contenders take turns on the same node, so that other
// load slows all of them.
package watermill_test

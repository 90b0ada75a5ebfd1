// Package brokertest holds brokers to one behaviour. [Run] puts a broker.Broker through
// a suite of cases; broker/memory and broker/rabbitmq both pass it, so that what works
// on the one works on the other.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t testing.TB) broker.Broker { return memory.New() })
//	}
//
// The cases run in parallel, in real time: delays are 50 to 300 milliseconds, and
// nothing fails for being slow before ten seconds. They use names of their own, and
// queues that expire when unused and take their exchanges with them, so one RabbitMQ
// node serves any number of runs.
//
// RabbitMQ tries again after three minutes to dead-letter what a quorum queue keeps. For this
// suite its own configuration needs less, with the setting of the application rabbit
// dead_letter_worker_publisher_confirm_timeout at 500 (milliseconds).
//
// A broker that cannot do all of this says so with [Without].
//
// What is expected was measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6; where they differ
// [Version] says which is meant. The order of x-death entries after the first, and whether a
// message that was dead-lettered is marked as redelivered, are left open.
package brokertest

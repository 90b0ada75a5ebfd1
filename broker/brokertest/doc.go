// Package brokertest tests brokers for the same behaviour. [Run] runs a
// suite of cases on a broker.Broker; broker/memory and broker/rabbitmq both pass it, so that a
// program which works on the one works on the other.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t testing.TB) broker.Broker { return memory.New() })
//	}
//
// The cases run in parallel, in real time: delays are 50 to 300 milliseconds, and
// no case fails for being slow before ten seconds. They use unique names, and
// queues that expire when unused, with their exchanges, so one RabbitMQ
// node serves any number of runs.
//
// RabbitMQ waits three minutes before it dead-letters the messages that a quorum queue keeps again.
// This suite needs a shorter time: set dead_letter_worker_publisher_confirm_timeout, of the
// application rabbit, to 500 (milliseconds).
//
// For a broker that cannot do all of this use [Without].
//
// The expectations were measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6; where they differ
// [Version] selects one. The order of x-death entries after the first, and whether a
// message that was dead-lettered is marked as redelivered, are left open.
package brokertest

// Package replay moves messages that were given up, and lie in a parked queue, back to
// where they came from.
//
//	counts, err := replay.Run(ctx, b, "mail_parked",
//		replay.ToOrigin(processor.Destination{Exchange: "mail"}),
//		replay.Filter(func(msg processor.Message) bool {
//			return strings.Contains(replay.FailureOf(msg).Error, "timeout")
//		}),
//		replay.Rate(50))
//
// It works on every broker that can count, on broker/memory as on broker/rabbitmq.
//
// # What is moved where
//
// A parked message says itself where it came from, in the headers
// warren-original-exchange and warren-original-routing-key. A sender can forge them, so
// nothing is routed by them unless [ToOrigin] was given the place. [To] sends all to one
// place instead. A message without a place that is allowed stays in its queue, and
// [OnEvent] is told why.
//
// The reasons go: those that [FailureOf] reads, and a stack. The count of retries goes too,
// and with it the origin and the time of the first failure, which the next failure writes
// anew; with [KeepAttempts] they stay, and so the next failure parks the message again if
// the count is used up. All else is kept and dropped as in the copies that retries make.
//
// Messages in the lost queue of a ladder of delays (broker/delay) were not given up: the
// work queue was gone when their time was up. Its name is their routing key, and [ToKey]
// sends each to its own: all services of a vhost share the ladder and its lost queue. They
// are moved in the same way, without the headers that steered them through the ladder;
// with [KeepAttempts] as if nothing had happened. Without, the next layer that retries
// takes the key of the move for the original one.
//
// # No message is lost
//
// Each message is published, mandatory and confirmed, and then acked. What cannot be
// published stays. A process or connection that dies doubles the messages whose acks were
// under way then: they have been moved, and are in their queue as well. A run that lives
// on may end before it comes by them.
//
// # What stays
//
// What stays is held, unsettled, until the end, so that it comes by only once, and then
// goes back. Its body is not kept: the program needs memory for what the broker hands
// out ahead, from 64 messages to 4,096 where many stay. For 100,000 messages that stay
// on RabbitMQ that takes 30 channels, of the 2,047 that a connection has.
//
// A classic queue takes messages back to their old places, and a quorum queue in their order
// before all others. Before RabbitMQ 4.3 it also counts each such return as a failed delivery,
// dry runs included, and from 4.0 on drops or dead-letters a message at its limit, 20 unless
// the queue says otherwise. Let parked queues be classic, or give them broker.HighDeliveryLimit.
//
// Other consumers do not see what is held, and RabbitMQ closes a channel that holds a
// message for longer than its consumer timeout, 30 minutes by default. So the run gives
// all of it back after [HoldFor], and again begins with the first message. It does the
// same when it learns that a channel was lost.
package replay

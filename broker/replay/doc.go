// Package replay moves messages from a parked queue back to where they came from.
//
//	counts, err := replay.Run(ctx, b, "mail_parked",
//		replay.ToQueue("mail"),
//		replay.Filter(func(msg processor.Message) bool {
//			return strings.Contains(replay.FailureOf(msg).Error, "timeout")
//		}),
//		replay.Rate(50))
//
// It works on every broker that can count, on broker/memory as on broker/rabbitmq.
//
// # Destinations
//
// The header warren-original-queue of a parked message names the queue in which it failed, and
// [ToQueue] puts it back there. Where it was first published to is in the headers
// warren-original-exchange and warren-original-routing-key. They stay, so that the handler finds them
// with retry.FirstOrigin, as after any retry. [ToOrigin] publishes the message there again, for every
// queue that is bound. [To] sends all messages to one destination.
//
// A sender can forge these headers, so ToQueue and ToOrigin go only to destinations that they were
// given. A message without an allowed destination stays in its queue, and [OnEvent] is called with
// the reason.
//
// The reasons are removed: those that [FailureOf] reads, and a stack. So is the count of retries,
// with the time of the first failure; with [KeepAttempts] they stay, and so the next failure parks the
// message again if the count is used up. What is published to an exchange loses its origin as well,
// since it gets a new one. Everything else is kept and dropped as in the copies that retries make.
//
// Messages in the lost queue of a ladder of delays (broker/delay) were not given up: the
// work queue was gone at the end of their delay. Its name is their routing key, and [ToKey]
// sends each to its own: all services of a vhost share the ladder and its lost queue. They
// are moved in the same way, without the headers that steered them through the ladder;
// with [KeepAttempts] as if nothing had happened.
//
// # No message is lost
//
// Each message is published, mandatory and confirmed, and then acked. One that cannot be
// published stays. If a process or connection dies, messages whose acks were
// under way are doubled: they have been moved, and are in their queue as well. A run that goes
// on may end before it sees these again.
//
// # Messages that stay
//
// Messages that stay are held, unsettled, until the end, so that each is seen only once, and then
// go back. Their bodies are not kept: the program needs memory for the messages that the broker
// delivers ahead, from 64 to 4,096 where many stay. For 100,000 messages that stay
// on RabbitMQ it takes 30 channels, of the 2,047 that a connection has.
//
// A classic queue takes messages back to their old places, and a quorum queue in their order
// before all others. Before RabbitMQ 4.3 a quorum queue also counts each such return as a failed
// delivery, dry runs included, and from 4.0 on drops or dead-letters a message at its limit, by
// default 20. Let parked queues be classic, or give them broker.HighDeliveryLimit.
//
// Other consumers do not see held messages, and RabbitMQ closes a channel that holds a
// message for longer than its consumer timeout, 30 minutes by default. So the run gives
// all of them back after [HoldFor], and begins again with the first message. It does the
// same when it learns that a channel was lost.
package replay

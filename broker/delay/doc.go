// Package delay makes messages wait in a broker: queues that hold each message for a
// time and then hand it to a work queue. Nothing waits in the client, so a delay outlives
// every process, and takes none of a consumer's prefetch.
//
// A per-message expiration alone does not do: a queue lets messages expire at its head
// only, so that a short delay waits behind a long one. Each strategy has queues in which
// all messages wait equally long.
//
// # Steps
//
// [Steps] has a queue for each distinct delay of a work queue. One hop, late by a few
// milliseconds. It is the best where the schedule is fixed and short:
//
//	publish -> mail.delay.v1.quorum.30s (TTL 30s) -> mail
//
// # Ladder
//
// [Ladder] has a queue for each power of two of a unit. A delay is the sum of some of
// them, and the message waits in each of these. All delays up to the longest are there,
// for all services of a vhost: it is the best where delays are computed or jittered, or
// asked for by handlers. 100 ms and 24 levels reach 19 days.
//
//	publish 5 units: to exchange 2, with the headers warren-delay-2 and warren-delay-0
//
//	exchange 2 --warren-delay-2--> queue 2, TTL 4 units --+
//	    | otherwise                                       |
//	exchange 1 <------------------------------------------+
//	    | --warren-delay-1--> queue 1, TTL 2 units -------+
//	    | otherwise                                       |
//	exchange 0 <------------------------------------------+
//	    | --warren-delay-0--> queue 0, TTL 1 unit --------+
//	    | otherwise                                       |
//	   exit <---------------------------------------------+
//	    | --routing key--> the work queue of that name
//	    | otherwise
//	   lost ---> the lost queue
//
// An exchange that has a message which is not for its queue hands it to its alternate
// exchange. The routing key stays the name of the work queue all the way.
//
// A message is late by what rounding adds, and by about 2 ms a hop, there being as many as
// the delay has bits; by more where thousands are due at once. Messages do not keep their
// order.
//
// With either, a message is never early, but for a fraction of a millisecond: RabbitMQ
// counts time in whole ones. But a level of a ladder that was deleted is passed by, and its
// part of the delay is missing; broker/rabbitmq/verify finds it.
//
// # Compatible
//
// [Compatible] has the exchange and the queues of nameko-amqp-retry, to share them with it.
//
// # Without a copy
//
// A quorum queue of RabbitMQ 4.3 can make what failed wait by itself, by a linear schedule of
// its own: see processors/redelivery. That is no strategy here, since nothing is published.
//
// # What must not be done
//
//   - A work queue's dead-letter exchange must not lead into a ladder. RabbitMQ takes the
//     second trip for a dead-letter cycle, and drops the message or holds up its level.
//     Publishing, as [Delayer] does it, starts x-death anew.
//   - A work queue behind a ladder must not have reject-publish. One that is full holds up
//     every service: 32 messages of a level that are stuck stop that level for as long as
//     the queue is full, and then until the broker tries them again. It does so every
//     180 s, unless its own configuration has another
//     dead_letter_worker_publisher_confirm_timeout (in milliseconds, application rabbit).
//     With Steps such a queue holds up only itself.
//   - The lost queue must not go unwatched. What has left the ladder and finds its work
//     queue gone is there, with the name of that queue as its routing key. It has no bound.
//   - [Classic] queues are not for messages that matter. They drop what finds its target
//     missing or full, and what is being handed on when the broker dies. Quorum queues
//     keep it: Steps deliver it within those 180 s once the work queue is there.
//   - [MaxLength] on a ladder bounds each level. What comes down to a level that is full
//     waits above, and comes late by up to 180 s a hop.
//
// The queues themselves are not consumed from, and need no policy. A leader that dies while
// it hands on messages can double them, and delay them by the same 180 s; with RabbitMQ
// 3.10.8 some queues were seen to hand on nothing more until the dead node was back.
//
// # Names
//
//	mail.delay.v1.quorum.30s              a step of the work queue mail
//	mail.delay.v1.classic.1m30s.max1000   another, with Classic and MaxLength(1000)
//	warren.delay.v1.quorum.100ms.7        exchange and queue of level 7
//	warren.delay.v1.quorum.100ms.exit     exchange
//	warren.delay.v1.quorum.100ms.lost     exchange and queue
//	warren.delay.v1.quorum.100ms.max9.7   level 7 with MaxLength(9)
//
// A name holds all that is declared differently, so a change makes other queues and never
// collides with those that are there. These stay, and deliver what they hold. A longer
// ladder is the shorter one with more levels, and services may have different ones.
//
// # What is left over
//
// A step that is left over begins with mail.delay.v1. and can be deleted once it is empty.
// The topology of each strategy owns that beginning ([broker.Topology].Owned), so that a
// service which changes from Steps to another one is told of its old steps as well. A work
// queue called warren owns nothing: its steps are named as ladders are.
//
// Nobody owns a ladder. It can be deleted once no service uses it and all its levels are
// empty. Queues of nameko-amqp-retry go by themselves.
//
// # Versions
//
// Quorum queues have a TTL, and keep what they cannot hand on, from RabbitMQ 3.10 on; a
// cluster that was upgraded to it needs the feature flag stream_queue. Before, there is
// Classic only.
//
// # What is trusted
//
// Nothing: x-death, headers that begin with warren-delay-, CC, BCC and the expiration are
// removed before a message is published, so no sender's headers change a delay. Who may
// publish to the exchanges of a ladder reaches every work queue behind it.
package delay

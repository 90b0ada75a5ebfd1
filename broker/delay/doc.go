// Package delay makes messages wait in a broker: in queues that hold each message for a
// time and then dead-letter it to a work queue. Nothing waits in the client, so a delay outlives
// every process, and takes none of a consumer's prefetch.
//
// A per-message expiration alone is not enough: messages expire only at the head of their
// queue, so a short delay waits behind a long one. Each strategy has queues in which
// all messages wait equally long.
//
// # Steps
//
// [Steps] has a queue for each distinct delay of a work queue: one hop, late by a few
// milliseconds. It is the best for a fixed and short schedule:
//
//	publish -> mail.delay.v1.quorum.30s (TTL 30s) -> mail
//
// # Ladder
//
// [Ladder] has a queue for each power of two of a unit. A delay is the sum of some of
// them, and the message waits in each of these. It has all delays up to the longest,
// for all services of a vhost: it is the best where delays are computed, jittered or
// chosen by handlers. 100 ms and 24 levels reach 19 days.
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
// An exchange passes a message that is not for its queue to its alternate
// exchange. The routing key stays the name of the work queue all the way.
//
// A message is late by the rounding and by about 2 ms a hop, with a hop for each bit of
// the delay; by more where thousands are due at once. Messages do not keep their
// order.
//
// With both strategies a message is early by a fraction of a millisecond at most, since RabbitMQ
// counts time in whole ones. But a deleted level of a ladder is skipped, and its
// part of the delay is missing; broker/rabbitmq/verify finds it.
//
// # Compatible
//
// [Compatible] has the exchange and the queues of nameko-amqp-retry, to share them with it.
//
// # Without a copy
//
// A quorum queue of RabbitMQ 4.3 can delay failed messages by itself, by a linear schedule:
// see processors/redelivery. That is no strategy here, since nothing is published.
//
// # Rules
//
//   - A work queue's dead-letter exchange must not lead into a ladder. For RabbitMQ the
//     second trip is a dead-letter cycle, and it drops the message or holds up its level.
//     [Delayer] publishes, which starts x-death anew.
//   - A work queue behind a ladder must not have reject-publish. One that is full holds up
//     every service: 32 stuck messages of a level stop that level for as long as
//     the queue is full, and then until the broker tries them again. It does so every
//     180 s, unless its own configuration has another
//     dead_letter_worker_publisher_confirm_timeout (in milliseconds, application rabbit).
//     With Steps such a queue holds up only its own messages.
//   - Watch the lost queue. It gets the messages whose work queue is gone at the end of the
//     ladder, with the name of that queue as the routing key. It has no bound.
//   - [Classic] queues are not for messages that matter. They drop a message whose target is
//     missing or full, and messages that they are dead-lettering when the broker dies. Quorum
//     queues keep these: Steps deliver them within those 180 s once the work queue is there.
//   - [MaxLength] on a ladder bounds each level. A message for a full level waits in the
//     level above, and is late by up to 180 s a hop.
//
// The queues have no consumers, and need no policy. A leader that dies while
// it dead-letters messages can double them, and delay them by the same 180 s; with RabbitMQ
// 3.10.8 some queues stopped dead-lettering until the dead node was back.
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
// A name contains every setting that may differ, so a change makes other queues and never
// collides with existing ones. These stay, and deliver their messages. A longer
// ladder is the shorter one with more levels, and services may have different ones.
//
// # Leftovers
//
// The name of a leftover step begins with mail.delay.v1.; delete it once it is empty.
// The topology of each strategy owns that beginning ([broker.Topology].Owned), so that
// the old steps are also reported to a service that changes from Steps to another strategy. A work
// queue called warren owns nothing: its steps have names like a ladder's.
//
// No topology owns a ladder. It can be deleted once no service uses it and all its levels are
// empty. Queues of nameko-amqp-retry expire by themselves.
//
// # Versions
//
// From RabbitMQ 3.10 on quorum queues have a TTL, and keep messages that they cannot dead-letter; a
// cluster that was upgraded to it needs the feature flag stream_queue. Before, only
// Classic works.
//
// # Security
//
// No header of a sender changes a delay: x-death, headers that begin with warren-delay-, CC, BCC
// and the expiration are removed before a message is published. A user who may
// publish to the exchanges of a ladder reaches every work queue behind it.
package delay

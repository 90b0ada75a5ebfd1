// Package ordered keeps the order of messages that belong together: those with equal keys
// are processed one at a time, in the order in which the source handed them out, while
// other keys run in parallel. Swarrot has no need of it: its consumers take one message at
// a time.
//
//	stack.New(ack.New(), retry.New(...), ordered.New(ordered.ByHeader("customer")), recovery.New())
//
// Put it inside ack and retry, so that a message whose key cannot be made is settled, and
// outside everything that a turn should span: instantretry, transactions, timeouts and
// deduplication, which a stack sees to. What lets only some messages through, or holds them
// up, belongs inside as well: outside, a message could wait for its turn in the place that
// an earlier one needs.
//
// # Turns
//
// The turn of a message ends when it has left the pipeline: it is settled, or given back,
// and whatever had to be published is published. A message that an outer layer has kept
// from coming here has a turn as well, which ends in the same way. A message whose context
// ends while it waits comes back as [processor.Release], and goes back to its queue
// untouched.
//
// The layer learns the order of the source as a [stack.Admitter]. Where nothing calls
// that, as when a pipeline runs in something other than this library's consumer, messages
// have the order in which they come to this layer, and a turn ends when the inner layers
// return. A pipeline is run in one way or the other: once messages have been admitted, one
// whose context is not derived from its admission is released, since waiting for itself
// would take for ever.
//
// # Workers
//
// A message that waits holds a worker. Set consumer.Workers to consumer.Prefetch, so that
// many messages of one key do not keep others from running: a worker is a goroutine, and
// cheap. Two consumers of one queue keep no common order; declare the queue with a single
// active consumer then, or spread keys over queues by a hash.
//
// # Restarts and pauses
//
// A consumer that ends or is paused gives back what it has not begun in the order in which
// it came. RabbitMQ hands it out again first, and in that order, on two conditions where
// the queue is a quorum queue. The next prefetch must not be smaller than the one before:
// what is given back by a second consumer goes behind what the first gave back. And the next
// consumer must not come before the queue knows that the last one is gone, which a process
// that died or was cut off may take a minute to show: declare the queue with a single active
// consumer.
//
// # What order cannot hold
//
// A message that fails and goes back to its queue, that a layer releases in the middle of a
// run, or that is retried through another queue, comes again after those that were behind
// it; a quorum queue without a delivery limit even puts it at its tail. Put instantretry
// inside for failures that must not be overtaken. After a lost connection the broker hands
// out again, in their old order, all that was not settled: a message may then be processed
// again after one that was behind it. Handlers for which this matters look at a version or a
// time in the message.
package ordered

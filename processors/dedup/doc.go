// Package dedup skips messages that have been processed before. A broker delivers a
// message at least once: again after a crash between the handler's success and the ack,
// or when its sender has sent it twice. Swarrot has nothing like it.
//
// Put it inside ack, and inside retry and catch, which turn failures into success. Put it
// outside a transaction, so that a message is marked when that is committed:
//
//	stack.New(ack.New(), retry.New(...), dedup.New(store), recovery.New()).Then(handler)
//
// A message is marked in the [Store] after the handler has succeeded, never before: a
// crash between the two doubles a message, it never loses one. What has to happen exactly
// once in a database belongs in one transaction with its mark: the inbox of
// processors/sqltx.
//
// # What is the same message
//
// A mark stands for the queue that the message was taken from and for its id, together
// with its sender's app id and its type. So an event that is routed to two queues is
// processed once for each, also with one store for both, and the copies that retry
// publishes are known again. See [Key] and [Scope] for other rules.
//
// The id is the sender's word. Two messages with one id are one message here, and the
// second is lost. Use dedup where each message has an id of its own, such as a UUID, and
// not where ids are those of the things that messages are about, start at 1 with each
// process, or can be forged to keep somebody else's message out.
//
// A message without an id is processed whatever came before, and the first of them is
// logged as a warning.
//
// # When the store fails
//
// A call that fails is tried again for up to 10 s ([StoreTimeout]); the worker waits
// meanwhile. After that a message that cannot be looked up is given back untouched
// ([processor.Release]), since it may have been processed. A consumer slows down by itself
// when messages go back. Before RabbitMQ 4.3 a quorum queue counts each time toward its
// delivery limit.
//
// A message that was processed and cannot be marked is done all the same: it is acked, and
// the error comes back marked by [processor.Drop], for the log. If its ack is lost too it
// is processed again.
//
// # Copies at the same time
//
// If a copy comes while a message is being processed in the same pipeline, it waits for
// the outcome. It is skipped if the first succeeds, and processed if the first fails.
// Copies in two processes at the same time are both processed.
//
// That is what happens to a message whose channel is lost while it is being processed: it
// comes again at once. The consumer ends the context of the first handler, and the second
// begins when that has returned, and not if it has succeeded. A consumer with FinishLost
// lets the first go on to its end. A worker that waits is not there for other messages.
package dedup

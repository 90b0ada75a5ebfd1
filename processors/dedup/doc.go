// Package dedup skips messages that have been processed before. A broker delivers a message at
// least once: again after a crash between the handler's success and the ack, or when its sender has
// sent it twice.
//
// Put it inside ack, and inside retry and catch, which turn failures into success. Put it outside a
// transaction, so that a message is marked once that is committed:
//
//	stack.New(ack.New(), retry.New(...), dedup.New(store), recovery.New()).Then(handler)
//
// A message is marked in the [Store] after the handler has succeeded, never before: a crash between
// the two doubles a message, and never loses one. For work that must happen exactly once in a
// database, commit the mark in the same transaction: see the inbox of processors/sqltx.
//
// # What is the same message
//
// A mark stands for the message's queue and id, together with its sender's app id and its type. So
// an event that is routed to two queues is processed once for each, even with one store for both,
// and the copies that retry publishes are recognised. See [Key] and [Scope] for other rules.
//
// The sender chooses the id. Two messages with one id are one message here, and the second is lost.
// Use dedup where each message has an id of its own, such as a UUID. Do not use it where ids name
// what messages are about, start at 1 with each process, or can be forged to suppress another
// sender's message.
//
// A message without an id is always processed, and the first of them is logged as a warning.
//
// # When the store fails
//
// A failed call is retried for up to 10 s ([StoreTimeout]) while the worker waits. After that a
// message that cannot be looked up is released untouched ([processor.Release]), since it may have
// been processed; one whose own deadline passes before has failed. A consumer slows down by itself when messages are requeued. Before RabbitMQ 4.3 a
// quorum queue counts each release toward its delivery limit.
//
// A message that was processed and cannot be marked is still done: it is acked, and the error is
// returned, marked by [processor.Drop], for the log. If its ack is lost too it is processed again.
//
// # Copies at the same time
//
// If a copy arrives while a message is being processed in the same pipeline, it waits for the
// outcome. It is skipped if the first succeeds, and processed if the first fails. Copies in two
// processes at the same time are both processed.
//
// This happens to a message whose channel is lost while it is being processed: it is redelivered at
// once. The consumer ends the context of the first handler. The second begins when the first has
// returned, unless the first has succeeded. A consumer with FinishLost lets the first finish. A
// waiting worker takes no other messages.
package dedup

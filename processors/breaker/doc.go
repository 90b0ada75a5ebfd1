// Package breaker stops taking messages while a downstream that they need is failing, such as a
// mail server or a database: a circuit breaker whose open circuit pauses the consumer. The messages
// stay in their queue, where they can be seen, instead of failing one by one until they are parked.
//
// Put it inside retry, which turns failures into success, and outside timeout and recovery, so that
// a handler that hangs or panics counts. Put it inside dedup: a skipped message says nothing about
// the downstream, and would look like a success:
//
//	stack.New(ack.New(), retry.New(...), breaker.New("mail server"), timeout.New(...), recovery.New())
//
// # States
//
// Closed, messages pass. After five failures in a row ([Failures]) the breaker opens: the consumer
// takes no more messages, and one delivered before is released untouched, with [ErrOpen]. Messages
// in flight go on, and are handled as usual.
//
// After 30 s ([OpenFor]) it is half-open: the consumer takes messages again, one goes through as a
// probe, and the others wait in the breaker. If the probe succeeds the breaker is closed and they
// go on; if it fails the breaker opens again and they are released untouched. A probe that hangs
// keeps them waiting: put a timeout inside.
//
// A failed probe is handled like every failure: an outer retry counts it as an attempt of that
// message.
//
// # What counts
//
// An error counts as a failure if its message may be retried ([processor.Failed]); see [Counts] for
// other errors. So do a panic and a runtime.Goexit, which are passed on. All other errors say
// nothing about the downstream and change no count: a message that is rejected, dropped, requeued
// or released, or was cut short ([processor.CutShort]). A probe that ends like that makes room for another.
//
// # One breaker for each downstream
//
// The middleware that [New] returns is the breaker. Stacks built with the same one share it: all
// their consumers pause and go on together. Put it into a stack only once, since each message would
// count twice otherwise, and build a pipeline for each consumer. Its state outlives a run: a
// consumer that starts while the breaker is open starts paused.
//
// Put several breakers in the same order in all stacks, or the probe of each may wait for that of
// the other. The database of processors/sqltx needs none: that layer pauses the run itself, and
// releases what it could not begin, which no breaker counts.
//
// # Delivery limits
//
// Each pause requeues the messages that were delivered and have not begun. Before RabbitMQ 4.3 a
// quorum queue counts that toward its delivery limit, which is 20 from 4.0 on, and drops messages
// over it if there is no dead-letter exchange: with the defaults, a message at the head of the
// queue has used it up after ten minutes. Give such a queue the limit broker.HighDeliveryLimit, or
// set OpenFor for the longest outage to expect. Without a limit RabbitMQ 3.10 requeues what is
// released one by one to the tail of the queue; with consumer.OrderBy a pause still keeps the
// order.
//
// # Without a consumer that can be paused
//
// Some runners of a pipeline cannot pause, such as a Watermill router. While the breaker is open
// they get [ErrOpen], marked by [processor.Release], for each message. They must requeue it, and
// should wait before they take the next.
package breaker

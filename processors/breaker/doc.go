// Package breaker stops taking messages while what they need is failing, such as a mail
// server or a database: a circuit breaker whose open circuit pauses the consumer. The
// messages stay in their queue, where they can be seen, instead of failing one by one
// until they are parked. Swarrot has nothing like it.
//
// Put it inside retry, which turns failures into success, and outside timeout and
// recovery, so that a handler that hangs or panics counts. Put it inside dedup: a message that
// is skipped says nothing about the downstream, and would look like a success:
//
//	stack.New(ack.New(), retry.New(...), breaker.New("mail server"), timeout.New(...), recovery.New())
//
// # States
//
// Closed, messages pass. When five in a row have failed ([Failures]) the breaker opens:
// the consumer takes no more messages, and one that was handed out before is given back
// untouched, with [ErrOpen]. Those in hand go on, and what they return is theirs as ever.
//
// After 30 s ([OpenFor]) it is half-open: the consumer takes messages again, one of them
// goes through as a probe, and the others wait in the breaker. If the probe succeeds the
// breaker is closed and they go on; if it fails the breaker opens again and they are
// given back untouched. A probe that hangs keeps them waiting: have a timeout inside.
//
// The probe is a message like any other. One that fails is handled like every failure: an
// outer retry counts it as an attempt of that message.
//
// # What counts
//
// An error counts as a failure if its message may be retried ([processor.Failed]); see
// [Counts] for other errors. So do a panic and a runtime.Goexit, which go on their way.
// Success is success. All else says nothing about the downstream and changes no count: a
// message that is rejected, dropped, requeued or released, and one that was cut short
// because its context had ended. A probe that ends like that makes room for another.
//
// # One breaker for each downstream
//
// The middleware that [New] returns is the breaker. Stacks that are built with the same
// one share it: all their consumers pause and go on together. Have it once in a stack,
// where each message would count twice otherwise, and build a pipeline for each consumer. Its
// state outlives a run: a consumer that starts while the breaker is open starts paused.
//
// Several breakers stand in the same order in all stacks, or the probe of each may wait for
// that of the other. The database of processors/sqltx needs none: that layer pauses the run
// itself, and what it could not begin is released, which no breaker counts.
//
// # Delivery limits
//
// Each pause gives back what the broker has handed out and nobody has begun. Before
// RabbitMQ 4.3 a quorum queue counts that toward its delivery limit, which is 20 from 4.0
// on and drops what is over it where there is no dead-letter exchange: with the defaults,
// a message at the head of the queue has used it up after ten minutes. Give such a queue the
// limit broker.HighDeliveryLimit, or set OpenFor for the longest outage to expect.
// Without a limit RabbitMQ 3.10 puts what is given back one by one at the tail of the queue;
// with consumer.OrderBy a pause keeps the order all the same.
//
// # Without a consumer that can be paused
//
// What runs the pipeline may not know how to pause, such as a Watermill router. While the
// breaker is open it then gets [ErrOpen], marked by [processor.Release], for each message,
// and has to give it back, and should wait before it takes the next.
package breaker

// Package consumer runs a processor over a source of messages.
//
//	c, err := consumer.New(broker.Source("mail"), pipeline, consumer.Workers(8))
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx)
//
// Run blocks until ctx is cancelled, a processor asks to stop, or the source ends.
//
// # Shutdown
//
// Cancelling ctx ends the intake only. Messages that were not received go back to the
// broker at once (see below where the order matters). Those in flight go on, under a
// context that does not end with ctx, and are settled as usual. When the drain time is
// over that context ends too, with a cause that wraps [processor.ErrShutdown]; what then
// comes back unsettled is given back to the broker untouched. A handler or an Idle that ignores
// its context is abandoned one second later, with its goroutine: its message goes back to the
// broker, and whatever it still does with the message has no effect. Closing the subscription
// takes at most 2 s, and stopping the layers 2 s more. Run therefore returns within the drain
// time and 5 s, whatever hangs.
//
// # Errors
//
// A handler's error is logged and counted, and the consumer goes on with the next
// message: retrying and settling are the pipeline's business. Only [processor.Stop] and
// [processor.ErrStop] end the run, and [ErrUnsettled], because a pipeline that forgets
// to settle would otherwise stall without a word as soon as the prefetch is full.
//
// A message that is requeued is redelivered at once, also one that the pipeline did not begin
// ([processor.Release]), and a quorum queue gives it up after 20 times. So it is held before, by its
// worker and whoever requeues it: 100 ms the first time, doubling to 5 s, which 20 times take at
// least 38 s. A pause or the end of the run cuts that short. It is not held where the broker keeps a
// failed message for a while ([broker.Channel]).
//
// # Lost channels
//
// When the channel that a message came from is lost, with its connection, by the broker's
// consumer timeout, or because its queue was deleted, the broker delivers the message again,
// here or elsewhere, and takes no settlement of this delivery any more. The context of its
// handler ends, with a cause that wraps [processor.ErrStale] and says why; [processor.Lost]
// reports it. What a handler does beyond that is done twice. One that heeds its context makes
// room for the next delivery, and if it returns an error, no copy is published, no attempt is
// used up and nothing is parked or logged as a failure. One that returns nil all the same has
// not failed; its message comes again.
//
// With [FinishLost] the handler's context does not end. Two deliveries of a message may then
// be in flight at a time: processors/dedup has the second wait for the first, and skips it if
// that succeeds, and the inbox of processors/sqltx does so across processes. An error still
// has no copy published. A handler that never ends within the broker's consumer timeout
// is called again and again, whichever way.
//
// # Layers that steer
//
// A layer finds the run in the context of its Start ([stack.RunFrom]), and may end, abort or pause
// it. While it is paused nothing is received: what the broker has sent already goes back to the
// queue, and stays there until the run is resumed. What was received goes on meanwhile.
// Layers are not told that a paused run is idle.
//
// # Order
//
// With [OrderBy] a message begins when the one before it with its key has left the pipeline: settled,
// and with all published that had to be. Until then it occupies no worker, but counts toward the
// prefetch: let [Prefetch] be a multiple of the workers.
//
// When the run ends, what has not begun goes back untouched. At a pause, what was received goes on. Both
// times all goes back in order, once nothing is in flight ([broker.SubscribeOptions]); a paused run goes on
// after that, so a handler that hangs holds it up. In the middle of a run, a message that goes back
// to its queue or is retried through another comes again behind others. See docs/semantics.md.
//
// # Panics
//
// A panic is not the consumer's to catch; it ends the process, and the broker delivers
// the message again. Put processors/recovery into the stack to make it an error.
package consumer

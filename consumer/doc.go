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
// broker at once (see below where the order matters). Those in hand go on, under a
// context that does not end with ctx, and are settled as usual. When the drain time is
// over that context ends too, with a cause that wraps [processor.ErrShutdown]; what then
// comes back unsettled is given back to the broker untouched. A handler that ignores its
// context is abandoned one second later: its message goes back to the broker, and
// whatever it still does with the message has no effect. The same second is there for a
// layer's Idle; closing the subscription takes at most 2 s, and
// stopping the layers 2 s more. Run therefore returns within the drain time and 5 s,
// whatever hangs. What ignores the end of its context is left behind, with its goroutine.
//
// # Errors
//
// A handler's error is logged and counted, and the consumer goes on with the next
// message: retrying and settling are the pipeline's business. Only [processor.Stop] and
// [processor.ErrStop] end the run, and [ErrUnsettled], because a pipeline that forgets
// to settle would otherwise stall without a word as soon as the prefetch is full.
//
// A message that goes back to its queue is delivered again at once. So that a broken
// retry exchange does not turn this into a busy loop, a worker waits after each message
// that went back, whoever requeued it, from 100 ms doubling to 5 s, until one does not. Where
// the broker itself keeps a failed message for a while ([broker.Channel]), it waits for none. A pause
// of the run ends the wait.
//
// A message for which the pipeline says [processor.Release] was not begun. It is given back
// untouched, and the worker waits in the same way.
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
// be in hand at a time: processors/dedup has the second wait for the first, and skips it if
// that succeeds, and the inbox of processors/sqltx does so across processes. An error still
// has no copy published. A handler that never ends within the broker's consumer timeout
// is called again and again, whichever way.
//
// # Layers that steer
//
// A layer finds the run in the context of its Start ([stack.RunFrom]), and may end,
// abort or pause it. While it is paused nothing is received: what the broker has sent already goes
// back to the queue, and stays there until the run is resumed. What is in hand goes on meanwhile.
// Layers are not told that a paused run is idle.
//
// # Order
//
// If a layer is a [stack.Admitter], workers take turns at receiving, and it sees each
// message in the order of the source. What is given back one by one may come again in
// another order, so that at the end of a run, and at a pause, all that was not processed stays
// with the subscription until what is in hand is done, and then goes back in order
// ([broker.SubscribeOptions]). A paused run goes on after that, not before: a handler that
// hangs holds it up. Have a timeout in the stack. In the middle of a run a message that is
// released goes back by itself, and comes again behind others.
//
// # Panics
//
// A panic is not the consumer's to catch; it ends the process, and the broker delivers
// the message again. Put processors/recovery into the stack to make it an error.
package consumer

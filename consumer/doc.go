// Package consumer runs a processor over a source of messages.
//
//	c, err := consumer.New(b.Source("mail"), pipeline, consumer.Workers(8))
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx)
//
// Run blocks until ctx is cancelled, a processor asks to stop, or the source ends.
//
// # Shutdown
//
// Cancelling ctx ends the intake only. Messages that were not received are requeued at once (but see "Order").
// Messages in flight go on, under a context that does not end with ctx, and are settled as usual. When the drain time
// is over that context ends too, with a cause that wraps [processor.ErrShutdown]; a message that the pipeline then
// returns unsettled is requeued untouched. A handler or an Idle that ignores its context is abandoned one second
// later, with its goroutine: its message is requeued, and later settlements of it have no effect. So Run returns
// within the drain time and 5 s, whatever hangs ([DrainTimeout]).
//
// # Errors
//
// A handler's error is logged and counted, and the consumer goes on with the next message: retrying and settling are
// the pipeline's business. Only [processor.Stop], [processor.ErrStop] and [ErrUnsettled] end the run. Without
// [ErrUnsettled], a pipeline that forgets to settle would stall silently once the prefetch is full.
//
// A message that is requeued is redelivered at once, also one that the pipeline did not begin ([processor.Release]),
// and a quorum queue gives it up after 20 times. So its worker holds it before it is requeued, by whichever layer or
// handler: 100 ms the first time, doubling to 5 s; 20 times take at least 38 s. A pause, the end of the run and the
// loss of its channel cut that short. It is not held where the broker delays a failed message ([broker.Channel]).
//
// # Lost channels
//
// A channel is lost with its connection, by the broker's consumer timeout, or because its queue was deleted. The
// broker then redelivers the channel's messages, to this consumer or another, and accepts no settlement of the old
// deliveries. The context of each handler ends, with a cause that wraps [processor.ErrStale] and gives the reason;
// [processor.Lost] reports it. What a handler does after that is done twice. One that heeds its context makes room
// for the next delivery. If it returns an error, no copy is published, no attempt is used up, and nothing is parked
// or logged as a failure. If it returns nil, the message is still redelivered.
//
// With [FinishLost] the handler's context does not end, and two deliveries of a message may be in flight at a time;
// docs/long-jobs.md says how the second is skipped. Still no copy is published.
//
// # Layers that steer
//
// A layer finds the run in the context of its Start ([stack.RunFrom]), and may end, abort or pause it. In a pause
// messages already received go on, and those that the broker has sent are requeued; the run is not idle.
//
// # Order
//
// With [OrderBy] a message begins when the one before it with its key has left the pipeline: settled, with all its
// messages published. Until then it occupies no worker but counts toward the prefetch, so let [Prefetch] be a
// multiple of the workers.
//
// When the run ends, messages that have not begun are requeued untouched. At a pause, messages already received go
// on. Both times all are requeued in order, once nothing is in flight ([broker.SubscribeOptions]). A paused run
// resumes only after that, so a handler that hangs delays it. In the middle of a run, a message that is requeued or
// retried through another queue is redelivered behind others. See docs/semantics.md.
//
// # Panics
//
// The consumer does not recover panics: one ends the process, and the broker redelivers the message. With
// processors/recovery in the stack it is an error.
package consumer

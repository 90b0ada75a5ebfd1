// Package reply answers requests: it publishes the result of a handler made with remote.Handler to where the
// request's reply-to says, under its correlation id, and waits for the broker's confirm before the message is
// acked.
//
// The caller is answered once, at the end. Put the layer outside the layers that retry:
//
//	stack.New(
//		ack.New(),
//		reply.New(b.Publisher(), remote.JSON),
//		backoff.New(b.Publisher(), "calculate"),
//		recovery.New(),
//	).Then(remote.Handler(remote.JSON, calculate))
//
// What the caller gets:
//
//	the handler succeeds           the result; null if it is no remote.Handler
//	it fails and is retried later  nothing yet
//	it fails for good              a remote.Error: the handler's, or Expired, Panic, MalformedRequest ...
//	its channel is lost, or the    nothing yet: the request is redelivered
//	run is cut short
//	it was processed before (dedup,  ProcessedBefore: its reply was sent then, or is lost
//	or the inbox of sqltx)
//
// A request without a reply-to is processed and not answered. If the caller's queue is gone, or
// refuses the reply for as long as it is tried, that is logged and the request acked: nobody else can
// mend it. A reply whose outcome is unknown, or for which the broker has no room, is tried again for a
// while, and then the request goes back to its queue and is processed once more.
//
// A caller's queue that does not answer, while those of others do, is the caller's own as well. The answers to replies for
// other callers show it: to one that was sent later than this, or than the ones before it to the same caller, which
// came within some seconds of each other and were not answered either. Then the request is acked without a reply. So are
// the caller's next requests for up to 5 seconds. After that one reply looks for 2 seconds whether there is an answer, and
// others to the caller wait for that. The log tells of it once, and of the number of dropped replies when there is an
// answer, or the caller has asked nothing for a minute. Where nothing shows whose the silence is, the request
// goes back to its queue, as in an outage, also if the publisher says [processor.ErrSilent]. So callers that hang hold
// up a service while all its workers wait for them, and it answers nobody else.
//
// An error that reaches the layer is final: the request is rejected and not requeued, also with
// ack.RequeueOnError. It would be answered again. If a retry has parked it, it is acked.
//
// # When a caller is answered twice
//
// If the process or its connection ends between the confirm of a reply and the ack, the request is
// redelivered, processed and answered again. A client drops the second reply, which has the correlation id of
// a call that is over.
//
// # Direct reply-to
//
// A reply to amq.rabbitmq.reply-to arrives or does not, and the broker does not say which: RabbitMQ before 4.3 returns
// such a reply as unroutable also when it has delivered it, and 4.3 never does. So the layer cannot know
// whether such a caller still lives.
package reply

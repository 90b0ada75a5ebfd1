// Package service runs several handlers as one process: each queue with its stack, all on the connections
// of one broker.
//
//	err := service.Run(ctx, b,
//		service.Handler{
//			Queue: broker.Queue{Name: "mail", Type: broker.Quorum},
//			Keys:  []string{"mail.#"}, // of amq.topic, unless Exchange says another
//			Stack: stack.New(
//				ack.New(),
//				retry.New(b.Publisher(), "mail_retry_%delay%", retry.Delays(time.Minute), retry.ParkKey("mail_parked")),
//				recovery.New()),
//			Handle:  processor.Typed(json.Unmarshal, sendMail),
//			Workers: 8,
//		},
//		service.Handler{...},
//		service.OwnBroker())
//
// [Run] declares what the layers need ([needs.Of]), the queues and their bindings, and whatever [Topology]
// adds. Then it consumes until ctx ends, or SIGINT or SIGTERM comes, and drains all handlers at the same time:
// the drain timeout is one for all. A second signal ends the messages in flight at once, and a third one the
// process; see [Signals].
//
// [New] returns a [Service] to look at while it runs: [Service.Ready], [Service.Health], [Service.States]. It also sends
// messages from anywhere in the process ([Service.Send]), whether handlers run or not.
//
// # Start
//
// Everything that can be known is checked before anything is declared: options, orders of layers, two handlers of one
// queue, queues that two of them need differently. Then each handler starts its layers and subscribes. If one cannot,
// the start has failed: the others are stopped, and Run returns the error. What was declared stays.
//
// A Queue with a name and nothing else takes what another handler, or [Topology], says of it. So a handler can read the
// queue in which another one parks.
//
// A stack whose messages are dropped when they are given up ([needs.Drops]) is logged as a warning.
//
// # A handler that fails
//
// What its messages fail with is the business of its stack. The handler itself fails when its run ends with an
// error: a processor stops it with [processor.Stop], its queue was made anew with other arguments, a layer cannot
// start. The others go on, and [Service.Health] names it. With [Restart] it is started again, with a new pipeline, after
// a wait that grows; with [StopTogether] it ends all. When all have ended, Run returns.
//
// A handler ends regularly by [processor.ErrStop], and the others go on. But a layer that limits the process, such as
// processors/memorylimit, maxtime or maxmessages, ends all of them ([stack.ProcessFrom]): a supervisor starts the process again.
//
// A queue that is deleted while it is consumed is declared again, where the broker does so (broker/rabbitmq), or
// when the handler is started again.
//
// Run returns the errors of all handlers that have failed for good, also if the others have gone on until ctx ended, and
// nil if there are none.
package service

// Package rpc calls services over queues and waits for their results.
//
//	client, err := rpc.New(rpc.Queue(b, "billing-replies-"+host), remote.JSON)
//	defer client.Close(ctx)
//	answer, err := rpc.Call[Answer](ctx, client, processor.Destination{RoutingKey: "calculate"}, Question{20, 22})
//
// The service is a consumer whose stack has processors/reply; it may retry the request for as long as the
// caller waits. Thousands of calls may be in flight at once.
//
// Replies come by a queue of the client's own, which survives a lost connection ([Queue]), or, on RabbitMQ, by its
// direct reply-to, for which nothing is declared or stored (package broker/rabbitmq/direct).
//
// # How a call ends
//
//	the service succeeds             its result
//	the service fails                a *remote.Error, for errors.As
//	nobody takes the request         processor.ErrUnroutable, at once
//	its request may not be stored    the publisher's error, at once
//	that is not known                processor.ErrIndeterminate; the service may work on it all the same
//	the queue of replies is lost     ErrRepliesLost, at once; the service may work on it all the same
//	the deadline passes              context.DeadlineExceeded; a late reply is dropped and counted
//	the client is closed             processor.ErrClosed
//
// Nothing is called twice by the client itself: only the caller knows whether that does harm.
package rpc

// Package respond sends what a handler returns, and has the message acked only when the broker has
// confirmed every result.
//
//	stack.New(
//		ack.New(),
//		retry.New(b.Publisher(), "order_retry_%delay%", schedule...),
//		respond.New(b.Publisher()),
//		recovery.New(),
//	).Then(respond.Typed(json.Unmarshal, func(ctx context.Context, o Order, msg processor.Message) ([]respond.Result, error) {
//		return []respond.Result{
//			{To: processor.Destination{Exchange: "events", RoutingKey: "order.paid"}, Envelope: paid(o)},
//		}, nil
//	}))
//
// If the handler fails, nothing is sent. If a result cannot be sent, the message has failed: put the layer
// inside those that retry. A result that no queue takes, or that can never be sent, rejects the message, which is
// parked and not retried.
//
// There is no AMQP transaction of the results and the ack: RabbitMQ takes the ack of one also where it does not
// take the results. See docs/decisions.md.
//
// # What is sent twice
//
// A message may be processed again after its results were sent: because one of them could not be, or because
// the process ended before the ack. Its results are then sent again. With [DerivedIDs] they have the same ids again, so
// that a consumer with processors/dedup, or with the inbox of processors/sqltx, processes each once.
//
// With the inbox of processors/sqltx and publisher/outbox as its publisher, the layer inside sqltx, the results, the mark of the
// message and what the handler has written commit as one: the results are written once. The relay may send one twice,
// with one id.
//
// # What a result says about itself
//
// Each result has an id like an email's, a timestamp, the id of the message as its correlation id, and the header
// "references": that of the message, and its id. A handler may set any of them itself.
package respond

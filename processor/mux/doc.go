// Package mux has several handlers on one queue, and passes each message on to one of them:
//
//	handler := mux.New(mux.ByType,
//		mux.On("mail.sent", processor.Typed(json.Unmarshal, sent)),
//		mux.On("mail.bounced", processor.Typed(json.Unmarshal, bounced)),
//	)
//	pipeline, err := stack.New(ack.New(), retry.New(...), recovery.New()).Then(handler)
//
// It is a handler: the layers around it belong to all, and each handler may have more of its own, as a
// pipeline. A stack checks the order of layers along each of the ways.
//
// A message for which there is no handler is rejected, with an error that lists those there are, or goes to the
// [Fallback].
package mux

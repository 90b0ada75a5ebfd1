package replay

import (
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// envelope is the copy of msg to publish.
func envelope(msg processor.Message, to processor.Destination, keepAttempts bool) processor.Envelope {
	e := republish.Envelope(msg)
	for _, name := range republish.FinalHeaders {
		delete(e.Headers, name)
	}
	if !keepAttempts {
		republish.ForgetCounts(e.Headers)
		delete(e.Headers, republish.HeaderFirstFailedAt)
	}
	switch origin, err := OriginOf(msg); {
	case err == nil && to.Exchange == "":
		// It is put into a queue: the handler there sees the origin, and the next failure keeps it.
		e.Headers[republish.HeaderOriginalExchange] = origin.Exchange
		e.Headers[republish.HeaderOriginalKey] = origin.RoutingKey
		e.Headers[republish.HeaderOriginalQueue] = to.RoutingKey
	case !keepAttempts:
		// It is published, and has no other origin.
		delete(e.Headers, republish.HeaderOriginalExchange)
		delete(e.Headers, republish.HeaderOriginalKey)
		delete(e.Headers, republish.HeaderOriginalQueue)
	}
	return e
}

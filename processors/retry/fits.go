package retry

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// fitsLater checks that a copy published to a place still fits its frame when it is dead-lettered
// back, with one more death.
func fitsLater(e processor.Envelope, to processor.Destination) error {
	queue := len(to.RoutingKey)
	if to.Exchange != "" {
		queue = processor.MaxName
	}
	return broker.FitsLater(e, 1, queue+len(to.Exchange)+len(to.RoutingKey))
}

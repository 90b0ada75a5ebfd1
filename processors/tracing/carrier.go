package tracing

import (
	"maps"
	"slices"

	"go.opentelemetry.io/otel/propagation"

	"github.com/gowarren/warren/processor"
)

// Most bytes of a header that is read. W3C asks for 512 of tracestate and 8192 of baggage.
const (
	maxField   = 512
	maxBaggage = 8192
)

// carrier reads a message's headers, of which a sender may have written anything.
type carrier processor.Headers

var _ propagation.TextMapCarrier = carrier(nil)

// Get returns the text of a header, "" if it is absent, too long or no text.
func (c carrier) Get(key string) string {
	limit := maxField
	if key == "baggage" {
		limit = maxBaggage
	}
	switch v := c[key].(type) {
	case string:
		if len(v) <= limit {
			return v
		}
	case []byte:
		if len(v) <= limit {
			return string(v)
		}
	}
	return ""
}

// Keys returns the names of the headers.
func (c carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }

// Set does nothing: the headers of a message are not written to.
func (carrier) Set(string, string) {}

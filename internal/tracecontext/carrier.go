// Package tracecontext carries a trace context in headers.
package tracecontext

import (
	"maps"
	"slices"

	"github.com/gowarren/warren/processor"
)

// The most bytes of a header that is read or written. W3C asks for 512 of tracestate and 8192
// of baggage.
const (
	maxField   = 512
	maxBaggage = 8192
)

// Carrier reads headers, of which a sender may have written anything, and writes into them.
// It is an OpenTelemetry TextMapCarrier.
type Carrier processor.Headers

func limit(key string) int {
	if key == "baggage" {
		return maxBaggage
	}
	return maxField
}

// Get returns the text of a header, "" if it is absent, too long or no text.
func (c Carrier) Get(key string) string {
	switch v := c[key].(type) {
	case string:
		if len(v) <= limit(key) {
			return v
		}
	case []byte:
		if len(v) <= limit(key) {
			return string(v)
		}
	}
	return ""
}

// Keys returns the names of the headers.
func (c Carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }

// Set writes a header, unless it is too long.
func (c Carrier) Set(key, value string) {
	if len(value) <= limit(key) {
		c[key] = value
	}
}

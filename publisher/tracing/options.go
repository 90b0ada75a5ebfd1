package tracing

import (
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// DefaultSystem is the messaging system unless [System] says otherwise.
const DefaultSystem = "rabbitmq"

// Option changes how publishing is traced.
type Option func(*config)

type config struct {
	provider   trace.TracerProvider // nil: the global one
	propagator propagation.TextMapPropagator
	system     string
}

// TracerProvider sets where spans go. Default, also for nil: OpenTelemetry's global provider, even
// if set later.
func TracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.provider = p } }

// Propagator sets how the span is written into the headers. Default, also for nil: W3C's
// traceparent and tracestate, and no baggage. The global propagator is only used if passed here: it
// writes nothing until a program sets it.
func Propagator(p propagation.TextMapPropagator) Option {
	return func(c *config) { c.propagator = p }
}

// System names the broker as OpenTelemetry does, for one that is not RabbitMQ, such as
// kafka. Default: rabbitmq.
func System(name string) Option { return func(c *config) { c.system = name } }

package tracing

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/processor"
)

// DefaultSystem is the messaging system unless [System] says otherwise.
const DefaultSystem = "rabbitmq"

// Option changes how messages are traced.
type Option func(*config)

type config struct {
	provider   trace.TracerProvider // nil: the global one
	propagator propagation.TextMapPropagator
	system     string
}

// TracerProvider sets where spans go. Default, also for nil: OpenTelemetry's global provider, even
// if set later.
func TracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.provider = p } }

// Propagator sets how the sender's span is read from the headers. Default, also for nil: W3C's
// traceparent and tracestate, and no baggage. The global propagator is only used if passed here: it
// reads nothing until a program sets it.
func Propagator(p propagation.TextMapPropagator) Option {
	return func(c *config) { c.propagator = p }
}

// System names the broker as OpenTelemetry does, for one that is not RabbitMQ, such as
// kafka. Default: rabbitmq.
func System(name string) Option { return func(c *config) { c.system = name } }

func (c *config) check() error {
	if c.system == "" {
		return errors.New("tracing: the system is empty: name one, such as kafka, or leave the option out")
	}
	if c.provider == nil {
		return nil
	}
	if err := processor.Check(c.provider); err != nil {
		return fmt.Errorf("tracing: the tracer provider cannot work: %w", err)
	}
	return nil
}

package retry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// route is the way back to the work queue.
type route struct {
	exchange broker.Exchange
	key      string
}

// topology is the exchange, and the work queue's binding.
func (r *route) topology(work string) broker.Topology {
	t := broker.Topology{Bindings: []broker.Binding{{Exchange: r.exchange.Name, Queue: work, RoutingKey: r.key}}}
	if !strings.HasPrefix(r.exchange.Name, "amq.") {
		t.Exchanges = []broker.Exchange{r.exchange}
	}
	return t
}

// returnsBy reports whether a copy published under key would go straight to the work queue.
func (c *config) returnsBy(key string) bool {
	return c.back != nil && c.back.exchange.Name == c.exchange && c.back.key == key
}

// problem says why messages would not come back to the work queue, or also go elsewhere.
func (r *route) problem() error {
	switch x := r.exchange; {
	case x.Name == "":
		return errors.New("retry: the exchange of Return has no name: leave Return out, and messages come back by the name of the work queue")
	case r.key == "":
		return fmt.Errorf("retry: the key of Return is empty, so that messages would come back with those of the retries: give the key with which the work queue is bound to %q", x.Name)
	case len(x.Name) > processor.MaxName || len(r.key) > processor.MaxName:
		return fmt.Errorf("retry: the exchange or key of Return is over %d bytes: shorten it", processor.MaxName)
	case x.Kind != broker.Direct && x.Kind != broker.Topic:
		return fmt.Errorf("retry: the exchange %q of Return is of the kind %s, so that the key does not say where messages come back: use one of the kind direct or topic", x.Name, x.Kind)
	case x.Kind == broker.Topic && strings.ContainsAny(r.key, "*#"):
		return fmt.Errorf("retry: the key %q of Return is a pattern: give one key that leads to the work queue", r.key)
	}
	return nil
}

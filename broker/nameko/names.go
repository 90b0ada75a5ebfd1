package nameko

import (
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Exchange is the exchange of all requests and replies.
var Exchange = broker.Exchange{Name: "nameko-rpc", Kind: broker.Topic}

// The headers that nameko and nameko-amqp-retry write.
const (
	// HeaderCalls holds the ids of the calls that led to this one.
	HeaderCalls = "nameko.call_id_stack"
	// HeaderMethod holds service.method of a request that nameko-amqp-retry has delayed.
	HeaderMethod = "nameko.rpc_method_id"
)

// ServiceQueue is the name of a service's queue.
func ServiceQueue(service string) string { return "rpc-" + service }

// Service returns what a service needs in the broker: its queue takes the requests for all its methods.
func Service(service string) broker.Topology {
	queue := ServiceQueue(service)
	return broker.Topology{
		Exchanges: []broker.Exchange{Exchange},
		Queues:    []broker.Queue{{Name: queue}},
		Bindings:  []broker.Binding{{Exchange: Exchange.Name, Queue: queue, RoutingKey: service + ".*"}},
	}
}

// Method returns where requests for a method of a service go.
func Method(service, method string) processor.Destination {
	return processor.Destination{Exchange: Exchange.Name, RoutingKey: service + "." + method}
}

// ByMethod is the name of the method that a request is for. It is a mux.By. A request that was delayed
// has it in a header, which its sender can write.
func ByMethod(msg processor.Message) string {
	key := republish.Origin(msg).RoutingKey
	if delayed, ok := msg.Headers().String(HeaderMethod); ok {
		key = delayed
	}
	return key[strings.LastIndexByte(key, '.')+1:]
}

// Event returns where events of a type go that service sends.
func Event(service, event string) processor.Destination {
	return processor.Destination{Exchange: service + ".events", RoutingKey: event}
}

// EventQueue is the name of the queue for events that the instances of a service share, for one of its handlers.
func EventQueue(source, event, service, handler string) string {
	return "evt-" + source + "-" + event + "--" + service + "." + handler
}

// Events returns what a handler of events needs in the broker: the instances of its service share one queue.
func Events(source, event, service, handler string) broker.Topology {
	exchange, queue := Event(source, event).Exchange, EventQueue(source, event, service, handler)
	return broker.Topology{
		Exchanges: []broker.Exchange{{Name: exchange, Kind: broker.Topic}},
		Queues:    []broker.Queue{{Name: queue}},
		Bindings:  []broker.Binding{{Exchange: exchange, Queue: queue, RoutingKey: event}},
	}
}

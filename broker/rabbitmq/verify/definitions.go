package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// definitions are what management shows of a vhost.
type definitions struct {
	exchanges  map[string]attributes
	queues     map[string]attributes
	names      []string              // of the queues, in order
	policies   map[string]attributes // what policies set, by queue, under the policies' names
	bindings   []broker.Binding      // to queues
	forwarding []string              // exchanges bound to exchanges
}

// definitionsFrom asks the nodes in turn until one has answered everything.
func definitionsFrom(ctx context.Context, nodes []managementNode, vhost, cluster string) (*definitions, error) {
	var errs []error
	for _, n := range nodes {
		d, err := n.definitions(ctx, vhost, cluster)
		if err == nil {
			return d, nil
		}
		errs = append(errs, fmt.Errorf("management of %s: %w", n.host, err))
	}
	return nil, errors.Join(errs...)
}

// The JSON of the answers, as far as it is read.
type (
	managedOverview struct {
		Cluster string `json:"cluster_name"` //nolint:tagliatelle // RabbitMQ names it so
	}
	managedExchange struct {
		Name       string      `json:"name"`
		Type       string      `json:"type"`
		Durable    bool        `json:"durable"`
		AutoDelete bool        `json:"auto_delete"` //nolint:tagliatelle // RabbitMQ names it so
		Internal   bool        `json:"internal"`
		Arguments  managedList `json:"arguments"`
	}
	managedQueue struct {
		Name       string      `json:"name"`
		Durable    bool        `json:"durable"`
		AutoDelete bool        `json:"auto_delete"` //nolint:tagliatelle // RabbitMQ names it so
		Arguments  managedList `json:"arguments"`
		Policy     managedList `json:"effective_policy_definition"` //nolint:tagliatelle // RabbitMQ names it so
	}
	managedBinding struct {
		Source          string      `json:"source"`
		Destination     string      `json:"destination"`
		DestinationType string      `json:"destination_type"` //nolint:tagliatelle // RabbitMQ names it so
		RoutingKey      string      `json:"routing_key"`      //nolint:tagliatelle // RabbitMQ names it so
		Arguments       managedList `json:"arguments"`
	}
)

// managedList is an object, or an empty list, which is how RabbitMQ may write an empty one.
type managedList map[string]any

// UnmarshalJSON keeps integers apart from floats.
func (m *managedList) UnmarshalJSON(b []byte) error {
	if string(b) == "[]" || string(b) == "null" {
		*m = nil
		return nil
	}
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	err := decoder.Decode(&object)
	*m = object
	return err
}

// with returns the arguments and the fields together.
func (m managedList) with(fields attributes) attributes {
	for name, value := range m {
		fields[name] = normal(value)
	}
	return fields
}

func (n managementNode) definitions(ctx context.Context, vhost, cluster string) (*definitions, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, n.timeout, fmt.Errorf("no answer in %v", n.timeout))
	defer cancel()
	var (
		overview  managedOverview
		exchanges []managedExchange
		queues    []managedQueue
		bindings  []managedBinding
	)
	in := "/" + url.PathEscape(vhost)
	for _, question := range []struct {
		path   string
		answer any
	}{
		{"overview?columns=cluster_name", &overview},
		{"exchanges" + in + "?columns=name,type,durable,auto_delete,internal,arguments", &exchanges},
		{"queues" + in + "?columns=name,durable,auto_delete,arguments,effective_policy_definition", &queues},
		{"bindings" + in, &bindings},
	} {
		if err := n.get(ctx, question.path, question.answer); err != nil {
			return nil, err
		}
	}
	if overview.Cluster != cluster {
		return nil, fmt.Errorf("it is of the cluster %q, and the broker of %q: give the URL of the same", overview.Cluster, cluster)
	}
	if len(exchanges) == 0 {
		return nil, errors.New("it shows no exchange, and every vhost has some: give a user with rights in the vhost")
	}
	return newDefinitions(exchanges, queues, bindings), nil
}

func newDefinitions(exchanges []managedExchange, queues []managedQueue, bindings []managedBinding) *definitions {
	d := &definitions{exchanges: map[string]attributes{}, queues: map[string]attributes{}, policies: map[string]attributes{}}
	for _, x := range exchanges {
		d.exchanges[x.Name] = x.Arguments.with(attributes{
			kindField: x.Type, durableField: x.Durable, autoDeleteField: x.AutoDelete, internalField: x.Internal,
		})
	}
	for _, q := range queues {
		d.names = append(d.names, q.Name)
		d.queues[q.Name] = q.Arguments.with(attributes{durableField: q.Durable, autoDeleteField: q.AutoDelete})
		d.policies[q.Name] = q.Policy.with(attributes{})
	}
	for _, b := range bindings {
		if b.DestinationType == "exchange" {
			d.forwarding = append(d.forwarding, b.Source)
		} else {
			d.bindings = append(d.bindings, broker.Binding{
				Exchange: b.Source, Queue: b.Destination, RoutingKey: b.RoutingKey, Arguments: processor.Headers(b.Arguments.with(attributes{})),
			})
		}
	}
	return d
}

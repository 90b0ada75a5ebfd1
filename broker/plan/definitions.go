package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gowarren/warren/broker"
)

// ErrDefinitions: something cannot be written as RabbitMQ's definitions.
var ErrDefinitions = errors.New("it cannot be written as definitions")

// Definitions returns the plan as a file that "rabbitmqctl import_definitions" takes,
// from RabbitMQ 3.10 on. The vhost must exist. It is not in the file itself: newer
// brokers would then blank the description and the tags that it has.
//
// Declaring the same topology later agrees with the import. An import differs from
// [broker.Broker.Declare]:
//   - It leaves existing parts as they are, and does not report a difference.
//   - It silently leaves out a binding to an exchange or queue that does not exist.
//   - Exclusive queues belong to a connection, and are not in the file.
//   - Its integers are 64 bits wide. That matters for bindings only: one whose arguments
//     have narrower ones (or a float32) exists twice once it is declared as well. Both
//     match the same messages, which still come once.
//
// An error wraps [broker.ErrTopology], or [ErrDefinitions] if the vhost is not UTF-8 or an argument
// has a value that JSON, as RabbitMQ reads it, lacks: nil, []byte, Decimal, time.Time and
// subnormal floats.
func (p Plan) Definitions(vhost string) ([]byte, error) {
	if err := p.topology.Validate(); err != nil {
		return nil, err
	}
	if vhost == "" {
		return nil, fmt.Errorf(`plan: %w: the vhost has no name; the default one is "/"`, ErrDefinitions)
	}
	if !utf8.ValidString(vhost) {
		return nil, fmt.Errorf("plan: vhost: %w: %q is not UTF-8", ErrDefinitions, vhost)
	}
	d := definitions{Exchanges: []exchangeDefinition{}, Queues: []queueDefinition{}, Bindings: []bindingDefinition{}}
	d.add(p.topology, vhost)
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(d)
	return b.Bytes(), err
}

type definitions struct {
	Exchanges []exchangeDefinition `json:"exchanges"`
	Queues    []queueDefinition    `json:"queues"`
	Bindings  []bindingDefinition  `json:"bindings"`

	errs []error
}

type exchangeDefinition struct {
	Name       string         `json:"name"`
	Vhost      string         `json:"vhost"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"` //nolint:tagliatelle // RabbitMQ names it so
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
}

type queueDefinition struct {
	Name       string         `json:"name"`
	Vhost      string         `json:"vhost"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"` //nolint:tagliatelle // RabbitMQ names it so
	Arguments  map[string]any `json:"arguments"`
}

type bindingDefinition struct {
	Source          string         `json:"source"`
	Vhost           string         `json:"vhost"`
	Destination     string         `json:"destination"`
	DestinationType string         `json:"destination_type"` //nolint:tagliatelle // RabbitMQ names it so
	RoutingKey      string         `json:"routing_key"`      //nolint:tagliatelle // RabbitMQ names it so
	Arguments       map[string]any `json:"arguments"`
}

func (d *definitions) add(t broker.Topology, vhost string) {
	for _, x := range t.Exchanges {
		owner := fmt.Sprintf("exchange %q", x.Name)
		d.Exchanges = append(d.Exchanges, exchangeDefinition{
			x.Name, vhost, string(x.Kind), !x.Transient, x.AutoDelete, x.Internal, d.arguments(owner, x.AllArguments()),
		})
	}
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		if q.Exclusive {
			exclusive[q.Name] = true
			continue
		}
		owner := fmt.Sprintf("queue %q", q.Name)
		d.Queues = append(d.Queues, queueDefinition{
			q.Name, vhost, !q.Transient, q.AutoDelete, d.arguments(owner, q.AllArguments()),
		})
	}
	for _, b := range t.Bindings {
		if exclusive[b.Queue] {
			continue
		}
		owner := fmt.Sprintf("binding of queue %q to exchange %q", b.Queue, b.Exchange)
		d.Bindings = append(d.Bindings, bindingDefinition{
			b.Exchange, vhost, b.Queue, "queue", b.RoutingKey, d.arguments(owner, b.AllArguments()),
		})
	}
}

package rabbitmq

import (
	"cmp"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// server is what a broker says of itself when it greets.
type server struct {
	product      string
	version      string
	cluster      string
	major, minor int
}

func serverOf(properties amqp.Table) server {
	text := func(name string) string {
		s, _ := properties[name].(string)
		return s
	}
	s := server{product: text("product"), version: text("version"), cluster: text("cluster_name")}
	parts := strings.SplitN(s.version, ".", 3)
	s.major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		s.minor, _ = strconv.Atoi(parts[1])
	}
	return s
}

// String is the product with its version.
func (s server) String() string {
	return cmp.Or(strings.TrimSpace(s.product+" "+s.version), "a server without a name")
}

// compares reports whether the broker is one that compares a declaration with what is
// there, and checks its arguments, before it creates anything: RabbitMQ from the version
// on that this was seen with. A broker that ignored the argument would create the queue.
func (s server) compares() bool {
	return s.product == "RabbitMQ" && (s.major > 3 || s.major == 3 && s.minor >= 10)
}

// readsDeaths reports whether the broker may read x-death as a sender has written it, and die
// of it: RabbitMQ 3.10 does, 4.0 ignores it.
func (s server) readsDeaths() bool { return s.product != "RabbitMQ" || s.major < 4 }

// holdsUpNormal reports whether a quorum queue hands out two urgent messages for one normal
// one, as from 4.0 to before 4.3. Where it has a TTL too, which is looked at only of the next
// message, normal ones stay for as long as urgent ones keep coming.
func (s server) holdsUpNormal() bool { return s.product == "RabbitMQ" && s.major == 4 && s.minor < 3 }

// deliveryLimit is that of a quorum queue that has none of its own; false is no limit.
func (s server) deliveryLimit() (int64, bool) { return 20, s.product == "RabbitMQ" && s.major >= 4 }

// keepsOrderOfNack reports whether messages that go back with one basic.nack are delivered
// again in their order and ahead of all others: quorum queues did so from 4.0 on.
func (s server) keepsOrderOfNack() bool { return s.product == "RabbitMQ" && s.major >= 4 }

// returnsOverdueUncounted reports whether a message that was held for longer than the consumer
// timeout goes back without being counted as a failed delivery.
func (s server) returnsOverdueUncounted() bool {
	return s.product == "RabbitMQ" && (s.major > 4 || s.major == 4 && s.minor >= 3)
}

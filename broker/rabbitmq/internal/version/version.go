// Package version knows which RabbitMQ a server is, and how that version treats a topology.
package version

import (
	"cmp"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Server is what a broker says of itself on connecting.
type Server struct {
	Cluster string // its name

	product, version string
	major, minor     int
}

// Of reads the server's properties.
func Of(properties amqp.Table) Server {
	text := func(name string) string {
		s, _ := properties[name].(string)
		return s
	}
	s := Server{product: text("product"), version: text("version"), Cluster: text("cluster_name")}
	parts := strings.SplitN(s.version, ".", 3)
	s.major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		s.minor, _ = strconv.Atoi(parts[1])
	}
	return s
}

// String is the product with its version.
func (s Server) String() string {
	return cmp.Or(strings.TrimSpace(s.product+" "+s.version), "a server without a name")
}

// From reports whether the server is RabbitMQ of that version or a later one.
func (s Server) From(major, minor int) bool {
	return s.product == "RabbitMQ" && (s.major > major || s.major == major && s.minor >= minor)
}

// Compares reports whether the server compares a declaration with what exists, and checks its
// arguments, before it creates anything: RabbitMQ from the version on that this was seen with. A
// broker that ignored the argument would create the queue.
func (s Server) Compares() bool { return s.From(3, 10) }

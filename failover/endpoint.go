package failover

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Endpoint is one node to connect to, from a URL; see [ParseURLs]. However it
// is printed, it shows neither user nor password.
type Endpoint struct {
	number     int
	tls        bool
	host       string
	port       uint16
	vhost      string
	user       string
	password   secret
	mechanisms []string

	heartbeat      *time.Duration // nil: the connection's
	connectTimeout time.Duration  // 0: the connection's
	channelMax     uint16         // 0: the broker's

	caFile, certFile, keyFile, serverName string
}

var (
	_ fmt.Stringer   = Endpoint{}
	_ fmt.Formatter  = Endpoint{}
	_ slog.LogValuer = Endpoint{}
)

// secret holds a password where printing a struct, even with %#v or by reflection,
// does not show it.
type secret func() string

func newSecret(s string) secret { return func() string { return s } }

// Address returns the host and port.
func (e Endpoint) Address() string {
	return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
}

// Number returns the node's place in the list of URLs, from 1, counting each part of a string
// with ;. Errors of [ParseURLs] have the same number.
func (e Endpoint) Number() int { return e.number }

// userName is the name to log in with; empty if the broker may take one from a certificate.
func (e Endpoint) userName() string {
	if slices.ContainsFunc(e.mechanisms, func(m string) bool { return strings.EqualFold(m, external) }) {
		return ""
	}
	return e.user
}

// String returns the URL without credentials and parameters.
func (e Endpoint) String() string {
	scheme := "amqp"
	if e.tls {
		scheme = "amqps"
	}
	return scheme + "://" + e.Address() + "/" + url.PathEscape(e.vhost)
}

// Format prints [Endpoint.String] whatever the verb: %d and %#v would show the fields.
func (e Endpoint) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// LogValue logs [Endpoint.String].
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

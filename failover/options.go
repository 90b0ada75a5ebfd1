package failover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Option changes how [Dial] connects. A wrong one makes Dial fail.
type Option func(*config)

type config struct {
	connectTimeout time.Duration
	answerTimeout  time.Duration
	heartbeat      time.Duration
	stableAfter    time.Duration
	leaveCutOff    time.Duration
	backoff        backoff
	name           string
	properties     amqp.Table
	tls            *tls.Config
	netDial        func(ctx context.Context, network, address string) (net.Conn, error)
	strategy       Order
	maxRounds      int
	provider       func(ctx context.Context, node Endpoint) (user, password string, err error)
	log            *slog.Logger
	wrong          []error // options that were given nil
}

// ConnectTimeout bounds one attempt to connect to one node: TCP, TLS, the AMQP
// handshake and a first request on the new connection. A URL's connection_timeout
// overrides it. At least a millisecond. Default: 10 s.
func ConnectTimeout(d time.Duration) Option { return func(c *config) { c.connectTimeout = d } }

// AnswerTimeout bounds the wait for a node's answer on a live session: to
// [Session.Channel], and to AMQP's close in [Connection.Close]. If a node does not
// answer in time, its socket is closed. It also bounds, but not below 1 s, how long the client may
// not read because something does not take what it has read: the session is then lost, with
// [ErrStuck].
// At least a millisecond. Default: 10 s.
func AnswerTimeout(d time.Duration) Option { return func(c *config) { c.answerTimeout = d } }

// Heartbeat is the interval of AMQP heartbeats, in whole seconds, at least one. The
// broker may ask for a shorter one. A node that is silent for one and a half times as
// long counts as lost. A URL's heartbeat overrides it, and 0 there leaves it to the
// broker. Default: 10 s.
func Heartbeat(d time.Duration) Option { return func(c *config) { c.heartbeat = d } }

// Backoff is how long to wait after a round in which no node could be reached. It
// starts at base and doubles with each round up to limit. The wait is random between
// half of that and all of it, so that clients do not reconnect at the same instant.
// base is at least a millisecond. Default: 250 ms, 15 s.
func Backoff(base, limit time.Duration) Option {
	return func(c *config) { c.backoff = backoff{base, limit} }
}

// StableAfter is how long a session must live before its end counts as a new incident.
// One that ends sooner counts as a failed attempt, so that nodes which accept and drop
// connections are not hammered: the backoff goes on where it was. It should be longer
// than the time to notice a node that hangs after the handshake, one and a half
// heartbeats. Default: 30 s.
func StableAfter(d time.Duration) Option { return func(c *config) { c.stableAfter = d } }

// NoLimit is the value of an option that limits nothing.
const NoLimit = -1

// MaxRounds ends the trying after that many rounds in a row without a lasting session; see
// [StableAfter]. [Dial] then returns an error that wraps [ErrGaveUp]. Once connected, the
// connection ends for good: [Connection.Session] returns an error that wraps ErrGaveUp and
// [ErrClosed]. Default: [NoLimit].
func MaxRounds(n int) Option { return func(c *config) { c.maxRounds = n } }

// Name is the name of the connection in RabbitMQ's management. Default: the name of
// the program.
func Name(name string) Option { return func(c *config) { c.name = name } }

// ClientProperties are sent to the broker beside connection_name, product and
// platform, or in place of them. The table is copied. Default: none.
func ClientProperties(properties amqp.Table) Option {
	return func(c *config) { c.properties = maps.Clone(properties) }
}

// TLS is the configuration for amqps URLs. It is cloned for each node; certificates
// and the server name in a URL replace those in it. MinVersion is raised to TLS 1.2,
// and an empty ServerName is the URL's host. Default: the system's certificates.
func TLS(t *tls.Config) Option { return func(c *config) { c.tls = t } }

// NetDialer opens the network connections, for proxies and tests. ctx bounds one
// attempt; see [ConnectTimeout]. A panic is that node's error. Default: a [net.Dialer].
func NetDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(c *config) { c.netDial = dial }
}

// Logger gets a record when a session begins, is lost, blocked or unblocked, and for
// each failed attempt, with the attributes node, error, attempt and wait as they apply.
// Default, also for nil: [slog.Default] at the time of Dial.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

func newConfig(opts []Option) (*config, error) {
	c := &config{
		connectTimeout: 10 * time.Second,
		answerTimeout:  10 * time.Second,
		heartbeat:      10 * time.Second,
		stableAfter:    30 * time.Second,
		maxRounds:      NoLimit,
		backoff:        backoff{base: 250 * time.Millisecond, limit: 15 * time.Second},
		name:           filepath.Base(os.Args[0]),
		netDial:        (&net.Dialer{}).DialContext,
		strategy:       RoundRobin(),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("failover: an option is nil")
		}
		opt(c)
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c, c.check()
}

// noUnit reports whether d is nearly always a number without its unit, such as 300 for
// 300*time.Second.
func noUnit(d time.Duration) bool { return 0 < d && d < time.Millisecond }

func (c *config) check() error {
	errs := c.wrong
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("failover: "+format, args...))
	}
	if c.connectTimeout < time.Millisecond {
		fail("connect timeout %v is not a millisecond or more", c.connectTimeout)
	}
	if c.answerTimeout < time.Millisecond {
		fail("answer timeout %v is not a millisecond or more", c.answerTimeout)
	}
	if c.heartbeat < time.Second || c.heartbeat%time.Second != 0 || c.heartbeat > math.MaxUint16*time.Second {
		fail("heartbeat %v is not a whole number of seconds from 1 to 65535", c.heartbeat)
	}
	if c.stableAfter < 0 || noUnit(c.stableAfter) {
		fail("stable time %v is neither 0 nor a millisecond or more", c.stableAfter)
	}
	if c.leaveCutOff < 0 || noUnit(c.leaveCutOff) {
		fail("a node that is cut off is left after %v, which is neither 0 nor a millisecond or more", c.leaveCutOff)
	}
	if c.backoff.base < time.Millisecond || c.backoff.limit < c.backoff.base {
		fail("backoff from %v to %v does not grow from a millisecond or more", c.backoff.base, c.backoff.limit)
	}
	if c.maxRounds < 1 && c.maxRounds != NoLimit {
		fail("at most %d rounds: it must be 1 or more, or NoLimit", c.maxRounds)
	}
	if c.strategy == nil {
		fail("the strategy is nil: leave it out for RoundRobin")
	}
	if err := c.properties.Validate(); err != nil {
		fail("client properties: %w", err)
	}
	if c.netDial == nil {
		fail("the network dialer is nil")
	}
	return errors.Join(errs...)
}

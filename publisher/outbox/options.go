package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Option changes how messages are written.
type Option func(*config)

type config struct {
	dialect Dialect
	table   string
	orderBy func(processor.Destination, processor.Envelope) string
	relay   *Relay
	channel string
}

// Table sets the name of the table. Default: [DefaultTable].
func Table(name string) Option { return func(c *config) { c.table = name } }

// OrderBy keeps the order of messages for which f returns the same key: each is published when the one before
// it is confirmed, whatever their destinations are. "" is no key. The order is that of the writes: two transactions that write messages of
// one key at the same time have none, unless a lock makes one wait for the other, such as that of the row that
// the messages are about: write that first. f may be called by many goroutines at once; if it panics, nothing is
// written. Default, also for nil: no order.
func OrderBy(f func(to processor.Destination, e processor.Envelope) string) Option {
	return func(c *config) { c.orderBy = f }
}

// Wakes has a relay in this process publish at once what processors/sqltx commits. With [In], call [Relay.Wake]
// after the commit. Default, also for nil: the relay finds it when it polls.
func Wakes(r *Relay) Option { return func(c *config) { c.relay = r } }

// Notify has PostgreSQL send a notification to a channel at each commit with a message, for relays that listen
// ([Listen]). It costs one more statement, and PostgreSQL lets such commits wait for one another. Default, also
// for "": none.
func Notify(channel string) Option { return func(c *config) { c.channel = channel } }

func newConfig(d Dialect, opts []Option) (config, error) {
	c := config{dialect: d, table: DefaultTable}
	if err := option.Apply("outbox", &c, opts); err != nil {
		return c, err
	}
	var errs []error
	if c.channel != "" && d != Postgres {
		errs = append(errs, errors.New("outbox: Notify is for PostgreSQL: leave it out, and the relay polls"))
	}
	if len(c.channel) > 63 {
		errs = append(errs, fmt.Errorf("outbox: the channel of Notify has %d bytes: PostgreSQL takes 63", len(c.channel)))
	}
	return c, errors.Join(append(errs, d.check(), checkTable(c.table))...)
}

// RelayOption changes how a relay works.
type RelayOption func(*relayConfig)

type relayConfig struct {
	dialect  Dialect
	table    string
	workers  int
	batch    int
	poll     time.Duration
	lease    time.Duration
	patience time.Duration
	pass     bool
	listener Listener
	log      *slog.Logger
}

// From sets the name of the table. Default: [DefaultTable].
func From(table string) RelayOption { return func(c *relayConfig) { c.table = table } }

// Workers sets how many goroutines publish, each with a connection to the database. Default: 4.
func Workers(n int) RelayOption { return func(c *relayConfig) { c.workers = n } }

// Batch sets how many messages a worker reads and publishes at a time; it reads fewer if their bodies have 8 MiB, and while destinations do not
// answer it has up to five times as much of either. Default: 500.
func Batch(n int) RelayOption { return func(c *relayConfig) { c.batch = n } }

// Poll sets how often the relay looks for messages if nothing wakes it. Default: 1 second.
func Poll(d time.Duration) RelayOption { return func(c *relayConfig) { c.poll = d } }

// Lease sets how long the messages that a worker has taken are left to it, from a second to an hour. When a process dies, other relays wait
// that long for the messages it was about to publish. The clocks of the machines with relays must differ by less than a third of it; otherwise
// messages are published twice. Default: 15 seconds.
func Lease(d time.Duration) RelayOption { return func(c *relayConfig) { c.lease = d } }

// SetAsideAfter sets for how long a message that no queue takes ([processor.ErrUnroutable]), or that may not be published
// ([processor.ErrForbidden]), is tried again before it is set aside; [processor.NoLimit] is without end. Default: an hour.
func SetAsideAfter(d time.Duration) RelayOption { return func(c *relayConfig) { c.patience = d } }

// PassSetAside publishes messages although an earlier one with the same order key is set aside. Default: they wait until somebody
// decides about that one.
func PassSetAside() RelayOption { return func(c *relayConfig) { c.pass = true } }

// Listener waits for notifications; see [Listen].
type Listener interface {
	// Wait returns nil when there was a notification, and an error if it cannot wait, or ctx has ended.
	Wait(ctx context.Context) error
}

// Listen has the relay look for messages whenever l has got a notification; the publishers need [Notify]. It polls as well. Default, also
// for nil: it polls only.
func Listen(l Listener) RelayOption { return func(c *relayConfig) { c.listener = l } }

// Logger sets where the relay reports messages that fail, and trouble with the database. Default and nil: slog.Default().
func Logger(l *slog.Logger) RelayOption { return func(c *relayConfig) { c.log = l } }

func newRelayConfig(d Dialect, opts []RelayOption) (relayConfig, error) {
	c := relayConfig{
		dialect: d, table: DefaultTable, workers: 4, batch: 500,
		poll: time.Second, lease: 15 * time.Second, patience: time.Hour,
	}
	if err := option.Apply("outbox", &c, opts); err != nil {
		return c, err
	}
	errs := []error{d.check(), checkTable(c.table), option.Positive("outbox: Poll", c.poll)}
	if c.workers < 1 || c.batch < 1 {
		errs = append(errs, fmt.Errorf("outbox: there are %d Workers and a Batch of %d: both must be positive", c.workers, c.batch))
	}
	if c.lease < time.Second || c.lease > maxLease {
		errs = append(errs, fmt.Errorf("outbox: Lease is %v: it must be from 1s to %v", c.lease, maxLease))
	}
	if c.patience != processor.NoLimit {
		errs = append(errs, option.NotNegative("outbox: SetAsideAfter", c.patience))
	}
	return c, errors.Join(errs...)
}

package retry

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// DefaultRetries is how often a message is retried unless [Retries] says otherwise.
const DefaultRetries = 3

// DefaultKeepTrying is how long a failed republish is retried unless [KeepTrying] says otherwise.
// It is less than a consumer's drain timeout, so that a shutdown does not cut it short.
const DefaultKeepTrying = republish.DefaultKeepTrying

// Option changes how messages are retried. [New] and [Topology] take the same ones.
type Option func(*config)

type config struct {
	exchange   string
	pattern    pattern
	keyFunc    KeyFunc
	retries    int
	explicit   bool // Retries was given
	delays     []time.Duration
	parkKey    string
	counter    string // the header with the count
	queueType  broker.QueueType
	maxLength  int
	back       *route // the way back to the work queue; nil is by its name
	others     bool   // others declare the queues
	keepTrying time.Duration
	filter     func(error) bool
	notify     func(context.Context, Event)
	stack      bool
	log        *slog.Logger
}

// Exchange sets the exchange that copies are published to. Default: "", the default
// exchange, where keys are names of queues.
func Exchange(name string) Option { return func(c *config) { c.exchange = name } }

// Retries sets how often a message is retried after its first failure. Default: as many
// times as there are [Delays], and 3 without. With 0 the first failure is the last.
func Retries(n int) Option { return func(c *config) { c.retries, c.explicit = n, true } }

// Delays sets how long each retry waits; the last one is repeated. They are the TTLs of the queues
// that [Topology] lists, and replace %delay% in the key pattern, in hours, minutes, seconds and
// milliseconds: 30s, 1h30m, 250ms. They have no other effect: a queue declared in another way has
// its own delay. Each is a whole number of milliseconds. Default: none, the queues' delays are not
// known.
func Delays(d ...time.Duration) Option {
	d = append([]time.Duration{}, d...) // not nil: an empty list is a mistake
	return func(c *config) { c.delays = d }
}

// Counter gives the layer a count of its own, in the header warren-retries-name: for a stack with two
// retry layers, such as one for busy servers and one for all other errors ([If]). With one count the
// retries of one layer would use up those of the other, and a stack refuses that. name is part of the
// header, so it must not change while messages wait. Default: [HeaderAttempts], which is Swarrot's too.
func Counter(name string) Option {
	return func(c *config) { c.counter = republish.CounterPrefix + name }
}

// QueueType sets the type of the queues that [Topology] lists besides the work queue. Default, also
// for "": that of the work queue.
func QueueType(t broker.QueueType) Option { return func(c *config) { c.queueType = t } }

// MaxLength sets how many messages each retry queue holds at most, in [Topology]. A full one
// refuses copies, and the messages stay where they are; see [KeepTrying]. The park key's queue has
// no bound. Default: 0, no bound.
func MaxLength(n int) Option { return func(c *config) { c.maxLength = n } }

// Return sets the way on which messages come back from the retry queues that [Topology] lists: they are
// dead-lettered to exchange with key, to which the work queue is bound. It is for queues that exist
// already, made by hand or by other programs. The exchange is of the kind [broker.Direct], also for "", or
// [broker.Topic]; Topology lists it, unless it is one of the broker's own (amq.), with the binding. No other
// queue may be bound there with that key: it would get a copy of each retry. Who removes the binding loses
// what falls due then: a classic retry queue drops it, and a quorum one holds it. Default: the default exchange
// and the work queue's name, which nobody can remove.
func Return(exchange broker.Exchange, key string) Option {
	return func(c *config) {
		exchange.Kind = cmp.Or(exchange.Kind, broker.Direct)
		c.back = &route{exchange, key}
	}
}

// DeclaredByOthers leaves the work queue and the retry queues to others, such as PHP workers on the same
// queues: [Topology] lists the work queue as it is, and nothing else, and needs to know no delays. Whoever
// declares them sees to the delivery limit of the work queue; see the package documentation. Default: Topology
// lists all.
func DeclaredByOthers() Option { return func(c *config) { c.others = true } }

// ParkKey sets the key that a message is published under when its retries are used up, when it is
// rejected or [If] is false for its error, or when the copy for a retry is over a size limit or has
// a header that cannot be sent. The copy's headers say why, when, where and how often it failed:
// warren-error and others, see docs/semantics.md. If they make the copy too large, it is parked
// without them. Default: "", the error is returned instead.
func ParkKey(key string) Option { return func(c *config) { c.parkKey = key } }

// KeepTrying sets how long a failed republish is retried, at intervals that grow from 100 ms to 5
// s, before the message is requeued. The worker waits meanwhile, until the message is cut short.
// Permanent errors are not retried: [processor.ErrTooLarge], [processor.ErrHeaderType],
// [processor.ErrForbidden] and [processor.ErrClosed]. KeepTrying also bounds a Publish that waits for the broker, as it does
// while the connection is replaced or blocked; a try that begins last may take a second longer.
// Default: 15 s. With 0 the message is requeued after one try, of at most 15 s; otherwise it is a
// millisecond or more.
func KeepTrying(d time.Duration) Option { return func(c *config) { c.keepTrying = d } }

// KeyFunc returns the routing key of a retry, numbered from 1. It may be called concurrently. A key
// that no queue is bound with, and a panic, requeue the message; see [ParkKey] for a key that is
// too long. Beware of keys made from what a sender wrote.
type KeyFunc func(attempt int, msg processor.Message) string

// Keys replaces the pattern by a function; give [New] the pattern "" then. Default: nil, the
// pattern.
func Keys(f KeyFunc) Option { return func(c *config) { c.keyFunc = f } }

// If retries only errors for which f is true. With a park key the others are parked at once;
// without, they are returned unchanged, for an outer layer or the broker. f may be called
// concurrently; a panic requeues the message. Default, also for nil: every error is retried.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// OnRepublish calls f after each copy that the broker has taken, before the original is acked. f
// may be called concurrently, and should not block. A panic is an error that drops the original:
// its copy has been published. Default: nil, nothing is called.
func OnRepublish(f func(ctx context.Context, e Event)) Option {
	return func(c *config) { c.notify = f }
}

// StackTrace adds to the parked copy the stack of a handler that panicked, as processors/recovery
// recorded it, at most 4096 bytes in the header warren-stack. A stack shows the inside of the
// program to everyone who reads the queue. Default: off.
func StackTrace() Option { return func(c *config) { c.stack = true } }

// Logger sets where retries are logged (at level info), parked messages (error), and failed
// republishes that are retried (warn). Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// newConfig returns the options with their defaults, or every reason why they cannot work.
func newConfig(keyPattern string, opts []Option) (config, error) {
	c := config{pattern: pattern(keyPattern), retries: DefaultRetries, keepTrying: DefaultKeepTrying, counter: HeaderAttempts}
	if err := option.Apply("retry", &c, opts); err != nil {
		return c, err
	}
	if !c.explicit && c.delays != nil {
		c.retries = len(c.delays)
	}
	return c, c.check()
}

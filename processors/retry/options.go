package retry

import (
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

// DefaultKeepTrying is how long a republish that failed is tried again unless
// [KeepTrying] says otherwise. It is less than a consumer's drain timeout, so that a
// shutdown does not cut it short.
const DefaultKeepTrying = republish.DefaultKeepTrying

// Option changes how messages are retried. [New] and [Topology] take the same ones.
type Option func(*config)

type config struct {
	exchange   string
	pattern    pattern
	keyFunc    KeyFunc
	retries    int
	explicit   bool // attempts were asked for
	delays     []time.Duration
	parkKey    string
	queueType  broker.QueueType
	maxLength  int
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

// Delays says how long each retry waits; the last one stands for those after it as well.
// They are the TTLs of the queues that [Topology] lists, and what %delay% in the key
// pattern is replaced by, in hours, minutes, seconds and milliseconds: 30s, 1h30m, 250ms.
// Nothing else waits: a queue that was declared otherwise has its own delay. Each is a
// whole number of milliseconds. Default: none, the queues' delays are not known.
func Delays(d ...time.Duration) Option {
	d = append([]time.Duration{}, d...) // not nil: none at all is a mistake
	return func(c *config) { c.delays = d }
}

// QueueType sets the type of the queues that [Topology] lists beside the work queue.
// Default, also for "": that of the work queue.
func QueueType(t broker.QueueType) Option { return func(c *config) { c.queueType = t } }

// MaxLength sets how many messages each retry queue holds at most, in [Topology]. A full
// one refuses copies, and so the messages stay where they are; see [KeepTrying]. The final
// key's queue has no bound. Default: 0, there is none.
func MaxLength(n int) Option { return func(c *config) { c.maxLength = n } }

// ParkKey sets the key that a message is published under when its retries are used
// up, when it is rejected or [If] is false for its error, or when the copy for a retry is
// over a size limit or has a header that cannot be sent. The copy's headers say why, when,
// where and how often it failed: warren-error and others, see docs/semantics.md. A copy that is too large with
// them is parked as it came in. Default: "", the error comes back instead.
func ParkKey(key string) Option { return func(c *config) { c.parkKey = key } }

// KeepTrying sets how long a republish that failed is tried again, at intervals that
// grow from 100 ms to 5 s, before the message goes back to its queue. The worker waits
// meanwhile; it stops waiting when the message's context ends. What cannot succeed the
// next time is not tried again: [processor.ErrTooLarge], [processor.ErrHeaderType] and
// [processor.ErrClosed]. It bounds the tries, not one Publish that waits for the broker,
// as it does while the connection is replaced or blocked: only ctx ends that. Default:
// 15 s. With 0 the message goes back at once; otherwise it is a millisecond or more.
func KeepTrying(d time.Duration) Option { return func(c *config) { c.keepTrying = d } }

// KeyFunc makes the routing key of a retry, numbered from 1. It may be called by many
// goroutines at once. A key that no queue is bound for, and a panic, give the message
// back to its queue; see [ParkKey] for a key that is too long. Beware of keys made from
// what a sender wrote.
type KeyFunc func(attempt int, msg processor.Message) string

// Keys makes keys by a function instead of a pattern; give [New] the pattern "" then.
// Default: nil, the pattern.
func Keys(f KeyFunc) Option { return func(c *config) { c.keyFunc = f } }

// If retries only errors for which f is true. With a park key the others are parked at
// once; without, they come back as they are, for an outer layer or the broker. f may be
// called by many goroutines at once; a panic gives the message back to its queue.
// Default, also for nil: every error is retried.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// OnRepublish calls f after each copy that the broker has taken, before the original
// is acked. f may be called by many goroutines at once, and should not block. A panic
// is an error that drops the original: its copy is out. Default: nil, nothing is called.
func OnRepublish(f func(ctx context.Context, e Event)) Option {
	return func(c *config) { c.notify = f }
}

// StackTrace has the parked copy carry the stack of a handler that panicked, as
// processors/recovery recorded it, at most 4096 bytes in the header warren-stack. A stack
// shows the inside of the program to whoever reads the queue. Default: off.
func StackTrace() Option { return func(c *config) { c.stack = true } }

// Logger sets where retries are logged (at level info), parked messages (error), and
// republishes that fail and are tried again (warn). Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// newConfig returns the options with their defaults, or every reason why they cannot work.
func newConfig(keyPattern string, opts []Option) (config, error) {
	c := config{pattern: pattern(keyPattern), retries: DefaultRetries, keepTrying: DefaultKeepTrying}
	if err := option.Apply("retry", &c, opts); err != nil {
		return c, err
	}
	if !c.explicit && c.delays != nil {
		c.retries = len(c.delays)
	}
	return c, c.check()
}

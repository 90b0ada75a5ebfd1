package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
)

// Defaults of the options.
const (
	DefaultWorkers      = 1
	DefaultDrainTimeout = 20 * time.Second
	DefaultIdleInterval = time.Second
)

const (
	grace        = time.Second     // for handlers to see that their context has ended
	closeTimeout = 2 * time.Second // for a broker that hangs, and again for layers to stop
	minPrefetch  = 10
)

// Option changes how a consumer runs.
type Option func(*options)

type options struct {
	workers      int
	prefetchSet  int
	drainTimeout time.Duration
	idleInterval time.Duration
	finishLost   bool
	ordered      bool
	key          key.Func // nil: in no order
	consumer     broker.ConsumerOptions
	context      func(context.Context, processor.Message) (context.Context, error)
	contextSet   bool
	ready        []func()
	logger       *slog.Logger
}

func defaults() options {
	return options{workers: DefaultWorkers, drainTimeout: DefaultDrainTimeout, idleInterval: DefaultIdleInterval}
}

// Workers sets how many messages are processed at once. Default: 1, which keeps their order.
func Workers(n int) Option { return func(o *options) { o.workers = n } }

// Prefetch sets how many unsettled messages the broker may deliver. It must not be below the number of workers.
// Default, also for 0: twice the workers, and at least 10.
func Prefetch(n int) Option { return func(o *options) { o.prefetchSet = n } }

// OrderBy has messages with equal keys processed one at a time, in the order in which they were delivered. Other keys
// go on meanwhile; a message with the key "" waits for no other. f is called once for each message, and nothing is
// received during the call. See "Order". Default: no keys.
func OrderBy(f key.Func) Option { return func(o *options) { o.ordered, o.key = true, f } }

// DrainTimeout sets how long messages in flight may go on after the run was asked to end. With 0 their context ends
// at once. The run itself ends within 5 s more, whatever hangs: 1 s for handlers to heed the end of their context, 2 s
// to close the subscription and 2 s for the layers to stop. Default: 20 s.
func DrainTimeout(d time.Duration) Option { return func(o *options) { o.drainTimeout = d } }

// IdleInterval sets how long no message must arrive before the layers are told that the consumer is idle, and how
// often they are told. Default: 1 s.
func IdleInterval(d time.Duration) Option { return func(o *options) { o.idleInterval = d } }

// FinishLost lets a handler finish when the channel of its message is lost. It is for work that should not be cut
// off, such as a call that cannot be undone. The message is redelivered, perhaps while the handler still runs: use
// processors/dedup, or another way to tell that it has been processed. See "Lost channels". Default: the handler's
// context ends.
func FinishLost() Option { return func(o *options) { o.finishLost = true } }

// Broker sets what is asked of the broker: the consumer's tag, priority, exclusiveness, the offset to begin at in a
// stream, and further arguments. Default: nothing.
func Broker(o broker.ConsumerOptions) Option { return func(c *options) { c.consumer = o } }

// OnReady calls f each time a run has subscribed, before its first message: from then on the broker delivers. The run
// waits for f, which must not block; a panic of f ends the run with an error. Given several times, each function is
// called. Default: none.
func OnReady(f func()) Option { return func(o *options) { o.ready = append(o.ready, f) } }

// Logger sets where the consumer logs. Default, also for nil: slog.Default() when the run starts.
func Logger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

func (o options) prefetch() int { return cmp.Or(o.prefetchSet, max(2*o.workers, minPrefetch)) }

func (o options) check() error {
	var errs []error
	if o.workers < 1 {
		errs = append(errs, fmt.Errorf("consumer: Workers(%d): at least 1 is needed", o.workers))
	}
	if o.prefetchSet != 0 && o.prefetchSet < o.workers {
		errs = append(errs, fmt.Errorf("consumer: Prefetch(%d) is below Workers(%d): some workers would never get a message", o.prefetchSet, o.workers))
	}
	if o.ordered && o.key == nil {
		errs = append(errs, errors.New("consumer: OrderBy: the key function is nil: pass one such as key.RoutingKey, or key.Header with a name"))
	}
	if o.contextSet && o.context == nil {
		errs = append(errs, errors.New("consumer: MessageContext: the function is nil: leave it out"))
	}
	if slices.ContainsFunc(o.ready, func(f func()) bool { return f == nil }) {
		errs = append(errs, errors.New("consumer: OnReady: the function is nil: leave it out"))
	}
	return errors.Join(append(errs, option.NotNegative("consumer: DrainTimeout", o.drainTimeout), option.Positive("consumer: IdleInterval", o.idleInterval))...)
}

package rabbitmq

import (
	"errors"
	"log/slog"

	"github.com/gowarren/warren/failover"
)

// maxInFlight is how many publishes may wait for their confirm on one channel. It also
// bounds the returned messages that nobody has looked at yet; see confirmChannel.
const maxInFlight = 1024

// Option changes how [Open] connects and works.
type Option func(*options)

type options struct {
	log      *slog.Logger
	failover []failover.Option
}

// Logger sets where connections, channels and settlements that came too late are
// logged. Default, also for nil: slog.Default() when the broker is opened.
func Logger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// Failover passes options on to both connections, such as [failover.Heartbeat].
// Default: none.
func Failover(opts ...failover.Option) Option {
	return func(o *options) { o.failover = append(o.failover, opts...) }
}

func newOptions(opts []Option) (*options, error) {
	o := &options{}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("rabbitmq: an option is nil")
		}
		opt(o)
	}
	if o.log == nil {
		o.log = slog.Default()
	}
	// First, so that a caller's own failover.Logger wins.
	o.failover = append([]failover.Option{failover.Logger(o.log)}, o.failover...)
	return o, nil
}

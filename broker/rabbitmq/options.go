package rabbitmq

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/option"
)

// leaveCutOff is how long a node may be cut off while another is not.
const leaveCutOff = 20 * time.Second

// Option changes how [Open] connects and works.
type Option func(*options)

type options struct {
	log      *slog.Logger
	name     string
	failover []failover.Option

	acksSingly bool
}

// Name sets the name of the two connections in RabbitMQ's management, to which each adds its
// purpose. Default: the name of the program.
func Name(name string) Option { return func(o *options) { o.name = name } }

// Logger sets where connections, channels and late settlements are logged. Default, also for nil:
// slog.Default() when the broker is opened.
func Logger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// AckSingly sends each ack at once, in a frame of its own. By default acks travel together, as
// under "Acks" in the package documentation. A consumer whose handlers do little is faster with the
// default (benchmarks/rabbitmq).
func AckSingly() Option { return func(o *options) { o.acksSingly = true } }

// TLS sets the configuration of amqps:// connections, such as the authorities that sign the nodes'
// certificates, or a certificate of the client's: it is [failover.TLS]. Default, also for nil: the
// system's authorities.
func TLS(t *tls.Config) Option { return Failover(failover.TLS(t)) }

// Heartbeat is the interval of the heartbeats of both connections, in whole seconds: it is
// [failover.Heartbeat]. A node that is silent for one and a half times as long counts as lost.
// Default: 10 s.
func Heartbeat(d time.Duration) Option { return Failover(failover.Heartbeat(d)) }

// Failover passes options on to both connections, such as [failover.AnswerTimeout],
// [failover.Credentials] and [failover.NetDialer]. Default: none, but for a [failover.LeaveCutOff] of
// 20 s.
func Failover(opts ...failover.Option) Option {
	return func(o *options) { o.failover = append(o.failover, opts...) }
}

func newOptions(opts []Option) (*options, error) {
	o := &options{name: filepath.Base(os.Args[0])}
	if err := option.Apply("rabbitmq", o, opts); err != nil {
		return nil, err
	}
	if o.log == nil {
		o.log = slog.Default()
	}
	return o, nil
}

// connection returns the options of the connection for one purpose. The caller's own come last, and
// override.
func (o *options) connection(purpose string) []failover.Option {
	return append([]failover.Option{
		failover.Logger(o.log.With(slog.String("connection", purpose))),
		failover.Name(o.name + " (" + purpose + ")"),
		failover.LeaveCutOff(leaveCutOff),
	}, o.failover...)
}

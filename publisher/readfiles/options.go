package readfiles

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Option changes how files are read.
type Option func(*config)

type config struct {
	contentType string
	inFlight    int
	maxSize     int64
	poll        time.Duration
	settle      time.Duration
	tries       int
	drain       time.Duration
	wake        <-chan struct{}
	onFile      func(Event)
	log         *slog.Logger
	step        func(point string)
	lock        func(*os.File) (bool, error)
	maxDelays   int
}

// ContentType sets that of messages made of a file without a headers file; "" is none. Default:
// application/octet-stream.
func ContentType(mime string) Option { return func(c *config) { c.contentType = mime } }

// InFlight sets how many files are published at the same time. Together they take no more than 64 MiB (a body its size,
// and a headers file 16 times its size, as much as its values may take in memory), or are one file.
// Default: 64.
func InFlight(n int) Option { return func(c *config) { c.inFlight = n } }

// MaxSize sets the most bytes of a file; one that has more is set aside. Default: 16 MiB, which is all that RabbitMQ 4
// takes unless it is told otherwise.
func MaxSize(bytes int64) Option { return func(c *config) { c.maxSize = bytes } }

// Poll sets how often the directory is looked through if nothing else is to be done. Default: 1 second.
func Poll(d time.Duration) Option { return func(c *config) { c.poll = d } }

// WakeOn has the directory looked through at once when something comes from a channel, such as that of package watch.
// It is polled as well. Default, also for nil: it is polled only.
func WakeOn(c <-chan struct{}) Option { return func(o *config) { o.wake = c } }

// Settle sets for how long a file must not have changed before it is read, by the clocks of this machine and of the
// file server; see "Files that are still written". 0 is for directories that files come into by a rename and no other
// way. Default: 1 second.
func Settle(d time.Duration) Option { return func(c *config) { c.settle = d } }

// Tries sets how often a file is tried that fails by itself before it is set aside; [processor.NoLimit] is without end.
// Default: 8, which take two minutes at least.
func Tries(n int) Option { return func(c *config) { c.tries = n } }

// DrainTimeout sets how long files in flight may wait for their confirms when the reader ends. Those that have none by
// then are sent again by the next reader. Default: 5 seconds.
func DrainTimeout(d time.Duration) Option { return func(c *config) { c.drain = d } }

// OnFile calls f with what has become of each file that was tried, one at a time. Nothing new is begun while f
// runs. Default, also for nil: nobody is told.
func OnFile(f func(Event)) Option { return func(c *config) { c.onFile = f } }

// Logger sets where the reader reports. Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

func newConfig(opts []Option) (config, error) {
	c := config{
		contentType: "application/octet-stream", inFlight: 64, maxSize: 16 << 20,
		poll: time.Second, settle: time.Second, tries: 8, drain: 5 * time.Second, lock: lock, maxDelays: maxDelays,
	}
	if err := option.Apply("readfiles", &c, opts); err != nil {
		return c, err
	}
	errs := []error{
		option.Positive("readfiles: Poll", c.poll), option.NotNegative("readfiles: Settle", c.settle),
		option.NotNegative("readfiles: DrainTimeout", c.drain),
	}
	if c.inFlight < 1 || c.maxSize < 1 {
		errs = append(errs, fmt.Errorf("readfiles: InFlight is %d and MaxSize is %d: both must be positive", c.inFlight, c.maxSize))
	}
	if c.tries < 1 && c.tries != processor.NoLimit {
		errs = append(errs, fmt.Errorf("readfiles: Tries is %d: it must be positive, or processor.NoLimit", c.tries))
	}
	if len(c.contentType) > processor.MaxName {
		errs = append(errs, fmt.Errorf("readfiles: ContentType has %d bytes: a broker takes %d", len(c.contentType), processor.MaxName))
	}
	return c, errors.Join(errs...)
}

package dedup

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// DefaultStoreTimeout is how long the store is tried unless [StoreTimeout] says otherwise. Twice
// that is not more than a consumer's drain timeout.
const DefaultStoreTimeout = 10 * time.Second

// Option changes which messages are the same, and how the store is asked.
type Option func(*config)

type config struct {
	store   Store
	key     func(processor.Message) string
	scope   string
	timeout time.Duration
	log     *slog.Logger
}

// Key identifies a message within its queue, instead of its id, app id and type. Messages with the
// same key are one message, and all but the first are skipped; one with an empty key is always
// processed. The key may be of any length, and must be the same for each copy. f may be called
// concurrently; if it panics the message fails. Default, also for nil: the message's id with its
// app id and type.
func Key(f func(msg processor.Message) string) Option { return func(c *config) { c.key = f } }

// Scope replaces the queue's name, so that a message is processed once whichever of several queues
// it comes from, or is still recognised after its queue was renamed. Beware: an event that two
// handlers take from a queue each has one id, and with one store and one scope the second handler
// never sees it. Default: "", the queue.
func Scope(name string) Option { return func(c *config) { c.scope = name } }

// StoreTimeout sets how long a call of the store may take, with retries: a failed one is retried,
// at intervals that grow from 100 ms to 2 s. Default: 10 s. At least a millisecond.
func StoreTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// Logger sets where skipped messages are logged (at level info), the first without an id (warn),
// and failures of the store (warn). Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if problem := processor.Check(c.store); problem != nil {
		errs = append(errs, fmt.Errorf("dedup: the store, such as NewMemory(100_000, time.Hour), cannot work: %w", problem))
	}
	errs = append(errs, option.Positive("dedup: StoreTimeout", c.timeout))
	return errors.Join(errs...)
}

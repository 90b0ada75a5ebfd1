package retry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// DefaultAttempts is how often a message is retried unless [Attempts] says otherwise.
const DefaultAttempts = 3

// DefaultKeepTrying is how long a republish that failed is tried again unless
// [KeepTrying] says otherwise. It is less than a consumer's drain timeout, so that a
// shutdown does not cut it short.
const DefaultKeepTrying = republish.DefaultKeepTrying

// maxKey is the protocol's limit for a routing key, in bytes.
const maxKey = 255

// Option changes how messages are retried.
type Option func(*config)

type config struct {
	publisher  processor.Publisher
	exchange   string
	pattern    string
	parts      pattern // of it
	keyFunc    KeyFunc
	attempts   int
	finalKey   string
	keepTrying time.Duration
	filter     func(error) bool
	notify     func(context.Context, Event)
	stack      bool
	log        *slog.Logger
}

// Exchange sets the exchange that copies are published to. Default: "", the default
// exchange, where keys are names of queues.
func Exchange(name string) Option { return func(c *config) { c.exchange = name } }

// Attempts sets how often a message is retried after its first failure. Default: 3.
// With 0 the first failure is the last.
func Attempts(n int) Option { return func(c *config) { c.attempts = n } }

// FinalKey sets the key that a message is published under when its retries are used
// up, when it is rejected, or when the copy for a retry is over a size limit or has a
// header that cannot be sent. The copy's headers say why and when: warren-error,
// warren-error-type and warren-failed-at. A copy that is too large with them is parked
// as it came in. Default: "", the error comes back instead.
func FinalKey(key string) Option { return func(c *config) { c.finalKey = key } }

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
// back to its queue; see [FinalKey] for a key that is too long. Beware of keys made from
// what a sender wrote.
type KeyFunc func(attempt int, msg processor.Message) string

// Keys makes keys by a function instead of a pattern; give [New] the pattern "" then.
// Default: nil, the pattern.
func Keys(f KeyFunc) Option { return func(c *config) { c.keyFunc = f } }

// If retries only errors for which f is true; others come back as they are. f may be
// called by many goroutines at once; a panic gives the message back to its queue.
// Default, also for nil: every error is retried.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// OnRepublish calls f after each copy that the broker has taken, before the original
// is acked. f may be called by many goroutines at once, and should not block. A panic
// is an error that drops the original: its copy is out. Default: nil, nothing is called.
func OnRepublish(f func(ctx context.Context, e Event)) Option {
	return func(c *config) { c.notify = f }
}

// StackTrace has the final copy carry the stack of a handler that panicked, as
// processors/recovery recorded it, at most 4096 bytes in the header warren-stack. A stack
// shows the inside of the program to whoever reads the queue. Default: off.
func StackTrace() Option { return func(c *config) { c.stack = true } }

// Logger sets where retries are logged (at level info), parked messages (error), and
// republishes that fail and are tried again (warn). Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// Event tells of a copy that was published.
type Event struct {
	// Message is the message that failed. It must not be kept.
	Message processor.Message
	// Err is why it failed. If a copy could not be sent where it should have gone, or
	// not with the headers that it should have had, Err says so and wraps the cause.
	Err error
	// Attempt is the number of this retry, from 1; for the final copy, how many there
	// were.
	Attempt int
	// Attempts is the most that there can be.
	Attempts int
	// Final says that the copy went to the final key.
	Final bool
	// To is where the copy went.
	To processor.Destination
}

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("retry: "+format, args...))
	}
	if c.publisher == nil {
		fail("the publisher is nil: pass the broker's Publisher()")
	}
	if p, ok := c.publisher.(processor.Checker); ok {
		if problem := p.Check(); problem != nil {
			fail("the publisher cannot work: %w", problem)
		}
	}
	if c.attempts < 0 {
		fail("Attempts is %d: it must be 0 or more", c.attempts)
	}
	if c.keepTrying < 0 {
		fail("KeepTrying is %v: it must be 0 or more", c.keepTrying)
	}
	errs = append(errs, option.Unit("retry: KeepTrying", c.keepTrying, time.Millisecond))
	if problem := c.keyProblem(); problem != nil {
		errs = append(errs, problem)
	}
	if len(c.finalKey) > maxKey || len(c.exchange) > maxKey {
		fail("the final key or exchange is over %d bytes: shorten it", maxKey)
	}
	return errors.Join(errs...)
}

// keyProblem says why there can be no key for each retry.
func (c *config) keyProblem() error {
	switch {
	case c.attempts == 0 && c.finalKey != "":
		return nil // every failure is parked, and no key is ever made
	case c.attempts == 0:
		return errors.New("retry: there are no attempts and no final key: set one of them")
	case c.keyFunc != nil && c.pattern != "":
		return fmt.Errorf("retry: key pattern %q and Keys are both set: keep one of them", c.pattern)
	case c.keyFunc != nil:
		return nil
	case c.pattern == "":
		return errors.New("retry: the key pattern is empty: give one such as mail_retry_%attempt%")
	case placeholder.MatchString(strings.Join(c.parts, " ")):
		return fmt.Errorf("retry: key pattern %q has a placeholder that is not known: only %%attempt%% is (%%attempts%% means the same)", c.pattern)
	case c.attempts > 1 && len(c.parts) == 1:
		return fmt.Errorf("retry: key pattern %q has no %%attempt%%, so %d attempts would share one key and one delay: add it, or set Attempts(1)", c.pattern, c.attempts)
	case len(c.parts.key(c.attempts)) > maxKey:
		return fmt.Errorf("retry: the key pattern makes keys of over %d bytes: shorten it", maxKey)
	}
	for n := 1; n <= min(c.attempts, 1000); n++ {
		if c.parts.key(n) == c.finalKey {
			return fmt.Errorf("retry: final key %q is also the key of retry %d: a parked message would come back for ever", c.finalKey, n)
		}
	}
	return nil
}

// placeholder is anything between percent signs that looks like one.
var placeholder = regexp.MustCompile(`%\w+%`)

// pattern is a key pattern, cut at its placeholders.
type pattern []string

func parse(s string) pattern {
	return strings.Split(strings.ReplaceAll(s, "%attempts%", "%attempt%"), "%attempt%")
}

func (p pattern) key(attempt int) string { return strings.Join(p, strconv.Itoa(attempt)) }

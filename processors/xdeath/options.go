package xdeath

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Limits of a message, as in Swarrot.
const (
	DefaultMaxCount    = 300
	DefaultMaxLifetime = time.Hour
)

// Option changes how messages are judged.
type Option func(*config)

type config struct {
	queue       string
	maxCount    int64
	maxLifetime time.Duration
	over        func(context.Context, Event) error
	parking     parking
	parks       bool
	stack       bool
	log         *slog.Logger
}

// Queue names the queue whose deaths count. Default, also for "": the one that the message was
// taken from.
func Queue(name string) Option { return func(c *config) { c.queue = name } }

// MaxCount sets with how many deaths a message that fails is given up. Default: 300.
// With [processor.NoLimit] they are not counted, as in Swarrot's XDeathMaxLifetimeProcessor.
func MaxCount(n int) Option { return func(c *config) { c.maxCount = int64(n) } }

// MaxLifetime sets how long ago the first death of a message may have been when it fails. Default:
// 1 hour. At least 1 s, since the broker writes whole seconds. With [processor.NoLimit] it does not
// matter, as in Swarrot's XDeathMaxCountProcessor. Rounds of 30 s reach an hour before 300.
func MaxLifetime(d time.Duration) Option { return func(c *config) { c.maxLifetime = d } }

// Over asks f what to do with a message that is over a limit, like Swarrot's callback.
// [processor.Decide] reads the answer:
//
//	nil                   f has dealt with the message: it is dropped
//	processor.Drop(e.Err) the same
//	e.Err                 it fails as before, and makes another round
//	any other error       as it says; the handler's stays in its chain
//
// In Swarrot a message goes on failing if the callback returns null; here, if f returns e.Err. A
// stop of the handler stands. f may be called concurrently; a panic requeues the message. Default:
// none; this or [Park] is required.
func Over(f func(ctx context.Context, e Event) error) Option {
	return func(c *config) { c.over = f }
}

// Park publishes a message that is over a limit to another place, and drops it from its queue once
// the broker has the copy. The copy's headers say why, when and how often it has failed, as those
// of processors/retry do, without x-death. If it cannot be sent with them, it is sent without. If
// it is not published, the message is requeued, whatever the ack layer's options. The destination
// must not lead back to the queue. Default: none; this or [Over] is required.
func Park(publisher processor.Publisher, to processor.Destination) Option {
	return func(c *config) { c.parking, c.parks = parking{publisher: publisher, to: to}, true }
}

// StackTrace adds to the copy of [Park] the stack of a handler that panicked, as
// processors/recovery recorded it, at most 4096 bytes in the header warren-stack. A stack shows the
// inside of the program to everyone who reads the queue. Default: off.
func StackTrace() Option { return func(c *config) { c.stack = true } }

// Logger sets where parked messages are logged, at level error. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// Event describes a message that is over a limit.
type Event struct {
	// Message is the message. It must not be kept.
	Message processor.Message
	// Err wraps the error of this failure, and Limit.
	Err error
	// Limit is [ErrMaxCount] or [ErrMaxLifetime], the first of them if both are reached.
	Limit error
	// Queue is the queue whose deaths were counted.
	Queue string
	// Count is how often x-death, which may be a sender's, says that the message died there before.
	Count int64
	// First is the time of its first death there, zero if x-death does not say.
	First time.Time
}

// check returns every reason why the options cannot work, and sets what happens over a limit.
func (c *config) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("xdeath: "+format, args...)) }
	if c.maxCount < 0 && c.counts() {
		fail("MaxCount is %d: it must be 0 or more, or processor.NoLimit", c.maxCount)
	}
	if c.maxLifetime <= 0 && c.times() {
		fail("MaxLifetime is %v: it must be more than 0, or processor.NoLimit", c.maxLifetime)
	}
	errs = append(errs, option.Unit("xdeath: MaxLifetime", c.maxLifetime, time.Second))
	if !c.counts() && !c.times() {
		fail("there is no limit: set MaxCount or MaxLifetime")
	}
	switch {
	case c.parks && c.over != nil:
		fail("Park and Over are both set: keep one of them")
	case c.parks:
		errs = append(errs, c.parking.check())
		c.parking.stack, c.parking.log = c.stack, c.log
		c.over = c.parking.park
	case c.over == nil:
		fail("nothing says what becomes of a message that is over a limit: set Park or Over")
	}
	return errors.Join(errs...)
}

// counts reports whether the number of deaths is limited.
func (c *config) counts() bool { return c.maxCount != processor.NoLimit }

// times reports whether the time since the first death is limited.
func (c *config) times() bool { return c.maxLifetime != processor.NoLimit }

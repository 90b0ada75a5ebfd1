// Package logging logs the outcome of each message, at a level that its error decides, as the log
// level maps of Swarrot's processors do.
//
// Put it inside retry, outside which every retried message looks like a success, and outside
// recovery, which turns a panic into an error:
//
//	stack.New(ack.New(), retry.New(...), logging.New(), recovery.New()).Then(handler)
//
// Without [Level] and [LevelFunc] the level follows from the decision ([processor.Decide]):
//
//	done                debug; see [Success]
//	dropped             info
//	requeued, released  warn
//	rejected, failed    error
//
// A message that was cut short because the run is over has not failed: warn. Neither has one whose
// channel is lost, and there may be many at once: debug.
//
// A consumer also logs the errors that reach it. This layer sees them before another one turns them
// into success, and says how long the message took.
//
// # Attributes
//
// queue, message_id, routing_key, redelivered and error, as everywhere in Warren; decision;
// duration, that of the inner layers; and attempt, the number of the attempt, from 1: one more than
// the retries in the header swarrot_retry_attempts, which a sender can write. Texts are cut to a
// bounded size, and their control characters replaced.
package logging

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that logs each message once the inner layers return. Errors pass through
// unchanged; panics pass too, unlogged. It is safe for concurrent use. A message whose level is not
// enabled costs a look at the clock and allocates nothing.
//
// The stack refuses a nil option, a nil target of [Level] and a nil [LevelFunc].
func New(opts ...Option) processor.Middleware {
	c := config{success: slog.LevelDebug}
	if err := option.Apply("logging", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if c.err != nil {
		return stack.Invalid(c.err)
	}
	return func(next processor.Processor) processor.Processor {
		return &logging{config: c, next: next}
	}
}

type logging struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*logging)(nil)
	_ stack.Wrapper   = (*logging)(nil)
	_ stack.Predictor = (*logging)(nil)
	_ stack.Describer = (*logging)(nil)
)

// Name is "logging".
func (*logging) Name() string { return "logging" }

// Role is "": it loses and doubles nothing in any place.
func (*logging) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (l *logging) Unwrap() processor.Processor { return l.next }

// Predict returns o unchanged.
func (*logging) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options, and the default levels.
func (l *logging) Settings() []stack.Setting {
	settings := []stack.Setting{{Name: "success", Value: l.success.String()}}
	for _, r := range l.rules {
		settings = append(settings, stack.Setting{Name: "level", Value: r.text})
	}
	return append(settings, stack.Setting{Name: "otherwise", Value: "by decision"})
}

// Process runs the inner layers and logs what they return.
func (l *logging) Process(ctx context.Context, msg processor.Message) error {
	start := time.Now()
	err := l.next.Process(ctx, msg)
	l.log(ctx, msg, err, start)
	return err
}

func (l *logging) log(ctx context.Context, msg processor.Message, err error, start time.Time) {
	action := processor.Decide(err).Action
	fate := fateOf(ctx, action)
	level, problem := l.level(err, fate)
	log := logattr.Or(l.logger)
	if !log.Enabled(ctx, level) {
		return // before an unread record is built
	}
	attrs := append(logattr.Of(msg, err),
		slog.String("decision", action.String()), slog.Duration("duration", time.Since(start)),
		slog.Int64("attempt", republish.Attempt(msg.Headers())))
	if problem != "" {
		attrs = append(attrs, slog.String("level_problem", problem))
	}
	log.LogAttrs(ctx, level, fate.text(), attrs...)
}

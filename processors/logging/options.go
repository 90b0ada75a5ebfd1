package logging

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
)

// maxText is the most bytes of a rule's text, in a log or a setting.
const maxText = 256

// Option changes how messages are logged.
type Option func(*config)

type config struct {
	logger  *slog.Logger
	success slog.Level
	rules   []rule // in the order given
	err     error  // of the options
}

// Logger sets where messages are logged. Default, also for nil: slog.Default() at the
// time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// Success sets the level of messages that are done. Default: slog.LevelDebug, which most loggers
// omit.
func Success(l slog.Level) Option { return func(c *config) { c.success = l } }

// Level logs messages that fail with target, by errors.Is, at level. The first Level or [LevelFunc]
// that matches counts. An error whose methods panic does not match. Default: none.
func Level(target error, level slog.Level) Option {
	return func(c *config) {
		if target == nil {
			c.err = errors.Join(c.err, errors.New("logging: the target of Level is nil: pass an error, or use Success"))
			return
		}
		c.rules = append(c.rules, rule{
			text:  fmt.Sprintf("%s at %v", excerpt.Error(target, maxText), level),
			match: func(err error) (slog.Level, bool) { return level, callback.Matches(err, target) },
		})
	}
}

// LevelFunc asks f for the level of each failed message. If f returns false or panics, the next
// [Level] or LevelFunc is asked; the record mentions a panic. f may be called concurrently.
// Default: none.
func LevelFunc(f func(err error) (level slog.Level, ok bool)) Option {
	return func(c *config) {
		if f == nil {
			c.err = errors.Join(c.err, errors.New("logging: the function of LevelFunc is nil: leave it out"))
			return
		}
		c.rules = append(c.rules, rule{text: "by a function", match: f})
	}
}

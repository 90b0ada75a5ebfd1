package logging

import (
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// rule gives some errors a level.
type rule struct {
	text  string // for the settings
	match func(err error) (slog.Level, bool)
}

// level is that of a message. problem says that a rule panicked, and is "" otherwise.
func (c *config) level(err error, a processor.Action, cutShort bool) (l slog.Level, problem string) {
	if a == processor.Done {
		return c.success, "" // an error, if any, is the wish to stop
	}
	for _, r := range c.rules {
		l, ok, panicked := r.try(err)
		if ok {
			return l, problem
		}
		if panicked != "" {
			problem = panicked
		}
	}
	if cutShort {
		return slog.LevelWarn, problem
	}
	return byDecision(a), problem
}

func byDecision(a processor.Action) slog.Level {
	switch a {
	case processor.Dropped:
		return slog.LevelInfo
	case processor.Requeued, processor.Released:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// try survives a rule that panics: errors.Is calls methods of the handler's own error,
// which may be a typed nil pointer, and this layer may stand outside recovery.
func (r rule) try(err error) (l slog.Level, ok bool, panicked string) {
	returned := false
	defer func() {
		if !returned {
			panicked = excerpt.Error(&panicError{r.text, recover()}, maxText)
		}
	}()
	l, ok = r.match(err)
	returned = true
	return l, ok, ""
}

// panicError is made text of under excerpt's care: the value may have methods, too.
type panicError struct {
	rule  string
	value any
}

func (e *panicError) Error() string { return fmt.Sprintf("%s: panic: %v", e.rule, e.value) }

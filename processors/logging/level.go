package logging

import (
	"context"
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
func (c *config) level(err error, f fate) (l slog.Level, problem string) {
	if f.action == processor.Done {
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
	switch {
	case f.lost:
		return slog.LevelDebug, problem
	case f.cutShort:
		return slog.LevelWarn, problem
	}
	return byDecision(f.action), problem
}

// fate is what becomes of a message.
type fate struct {
	action   processor.Action
	cutShort bool // by the end of the run
	lost     bool // it comes again, whatever its processing has returned
}

func fateOf(ctx context.Context, a processor.Action) fate {
	return fate{
		action:   a,
		cutShort: a == processor.Failed && processor.ShuttingDown(ctx),
		lost:     a != processor.Done && a != processor.Dropped && processor.Lost(ctx),
	}
}

func (f fate) text() string {
	switch {
	case f.lost:
		return "message was cut short, its channel is lost"
	case f.cutShort:
		return "message was cut short"
	}
	return "message " + f.action.String()
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

package logging

import (
	"context"
	"log/slog"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// rule gives some errors a level.
type rule struct {
	text  string // for the settings
	match func(err error) (slog.Level, bool)
}

// level is the level of a message. problem tells of a rule that panicked, and is "" otherwise.
func (c *config) level(err error, f fate) (l slog.Level, problem string) {
	if f.action == processor.Done {
		return c.success, "" // an error, if any, is a stop
	}
	for _, r := range c.rules {
		var ok bool
		if panicked := callback.Call("the rule", func() { l, ok = r.match(err) }); panicked != nil {
			problem = r.text + ": " + panicked.Error()
		}
		if ok {
			return l, problem
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

// fate is the outcome of a message.
type fate struct {
	action   processor.Action
	cutShort bool // by the end of the run
	lost     bool // redelivered, whatever its processing has returned
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

package config

import (
	"errors"
	"io"
	"log/slog"

	"github.com/gowarren/warren/internal/nearest"
	"github.com/gowarren/warren/internal/quote"
)

// logLevel is a level by its name, such as debug or warn+2.
type logLevel struct{ slog.Level }

// UnmarshalText reads the name of a level.
func (l *logLevel) UnmarshalText(text []byte) error {
	if err := l.Level.UnmarshalText(text); err != nil {
		name := string(text)
		return errors.New(quote.Name(name) + " is no level" + nearest.Hint(name, "debug", "info", "warn", "error"))
	}
	return nil
}

// logFormat is "text" or "json".
type logFormat string

const (
	logText logFormat = "text"
	logJSON logFormat = "json"
)

// UnmarshalText reads the name of a format.
func (f *logFormat) UnmarshalText(text []byte) error {
	switch *f = logFormat(text); *f {
	case logText, logJSON:
		return nil
	}
	name := string(text)
	return errors.New(quote.Name(name) + " is no format" + nearest.Hint(name, string(logText), string(logJSON)))
}

// Logger returns a logger that writes to w in the format and from the level on that are configured: as text,
// from info on, unless told otherwise. Give it to slog.SetDefault, which everything in Warren logs to that
// has no logger of its own.
func (c *Config) Logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if l := c.process.Log.Level; l != nil {
		o.Level = l.Level
	}
	if f := c.process.Log.Format; f != nil && *f == logJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

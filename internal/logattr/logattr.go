// Package logattr has the log attributes of a message. Values that a sender may have written are
// cut.
package logattr

import (
	"log/slog"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// Most bytes of a value.
const (
	maxText  = 256
	maxError = 1024
)

// Of returns the queue, id and key of msg, whether it was redelivered, and err unless it
// is nil.
func Of(msg processor.Message, err error) []slog.Attr {
	o := msg.Origin()
	attrs := []slog.Attr{
		slog.String("queue", o.Queue),
		slog.String("message_id", excerpt.Of(msg.Properties().ID, maxText)),
		slog.String("routing_key", excerpt.Of(o.RoutingKey, maxText)),
		slog.Bool("redelivered", o.Redelivered),
	}
	if err != nil {
		attrs = append(attrs, Err(err))
	}
	return attrs
}

// Err returns err as an attribute; it survives an Error method that panics.
func Err(err error) slog.Attr { return slog.String("error", excerpt.Error(err, maxError)) }

// Or returns l, or the default logger if l is nil.
func Or(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}

package respond

import (
	"context"
	"log/slog"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// errorAnswers say which errors are answered, where and how.
type errorAnswers struct {
	to       processor.Destination
	retried  func(error) bool
	envelope func(processor.Message, error) processor.Envelope
}

// answer returns what is sent about a message that failed with err, and false if nothing is.
func (a *errorAnswers) answer(ctx context.Context, msg processor.Message, err error) (Result, bool) {
	if a == nil || processor.CutShort(ctx) {
		return Result{}, false
	}
	switch processor.Decide(err).Action {
	case processor.Requeued, processor.Released, processor.Dropped:
		return Result{}, false
	}
	answered, e := false, processor.Envelope{}
	problem := callback.Call("respond: a function given to Errors", func() {
		if a.retried != nil && a.retried(err) {
			return
		}
		if a.envelope == nil {
			e = ErrorText(msg, err)
		} else {
			e = a.envelope(msg, err)
		}
		answered = true
	})
	if problem != nil {
		logattr.Or(nil).LogAttrs(ctx, slog.LevelError, "the error is not answered",
			append(logattr.Of(msg, err), slog.String("problem", problem.Error()))...)
		return Result{}, false
	}
	return Result{To: a.to, Envelope: e}, answered
}

// maxError is the most bytes of an error that is sent.
const maxError = 4 << 10

// ErrorText returns a message whose body is the text of err, at most 4 KiB, as text/plain.
func ErrorText(_ processor.Message, err error) processor.Envelope {
	return processor.Envelope{
		Body:       []byte(excerpt.Error(err, maxError)),
		Properties: processor.Properties{ContentType: "text/plain"},
	}
}

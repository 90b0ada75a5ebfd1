package xdeath

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// The limits, for errors.Is.
var (
	// ErrMaxCount: the message has reached the limit of deaths.
	ErrMaxCount = errors.New("the message has died too often")
	// ErrMaxLifetime: the first death of the message was too long ago.
	ErrMaxLifetime = errors.New("the message has lived too long")
)

// overError is the failure of a message that is over a limit.
type overError struct {
	limit error
	queue string
	deaths
	err error // the handler's
}

func (e *overError) Error() string {
	since := ""
	if !e.first.IsZero() {
		since = " since " + e.first.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("xdeath: %v: %d deaths in queue %q%s; it has failed with: %v", e.limit, e.count, e.queue, since, e.err)
}

// Unwrap returns a sentinel beside the handler's error: it does not change the decision.
func (e *overError) Unwrap() []error { return []error{e.limit, e.err} }

// judge returns the result for the message by the answer.
func (x *xdeath) judge(ctx context.Context, e Event) error {
	answer := x.ask(ctx, e)
	said, result := processor.Decide(answer), answer
	switch {
	case said.Action == processor.Done:
		result = processor.Drop(e.Err)
	case !callback.Is(answer, e.Err):
		result = &answerError{answer, e.Err}
	}
	if stop := said.Stop || processor.Decide(e.Err).Stop; stop && !processor.Decide(result).Stop {
		return processor.Stop(result)
	}
	return result
}

// ask calls [Over], or parks the message.
func (x *xdeath) ask(ctx context.Context, e Event) (answer error) {
	if problem := callback.Call("xdeath: what was to become of a message at its limit", func() { answer = x.over(ctx, e) }); problem != nil {
		return processor.Requeue(problem)
	}
	return answer
}

// answerError is an answer that does not wrap the failure. It unwraps to the answer alone: the
// decision is the answer's.
type answerError struct {
	answer error
	err    error
}

func (e *answerError) Error() string { return fmt.Sprintf("%v; %v", e.answer, e.err) }
func (e *answerError) Unwrap() error { return e.answer }

// Is also matches the failure.
func (e *answerError) Is(target error) bool { return callback.Is(e.err, target) }

// As also matches the failure.
func (e *answerError) As(target any) bool { return callback.As(e.err, target) }

package respond

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/lineage"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/outgoing"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that publishes the results of its handler, made with [Handler] or [Typed], through
// publisher. All are in flight at the same time. It is safe for concurrent use.
//
// With a publisher that writes into a transaction, such as publisher/outbox, the layer belongs inside processors/sqltx: the results
// are sent after its commit, and not if that fails.
//
// The stack refuses a publisher that is nil or cannot work ([processor.Check]), and options that cannot.
func New(publisher processor.Publisher, opts ...Option) processor.Middleware {
	within := processor.WithinTransaction(publisher)
	c, err := newConfig(opts, within)
	if err = errors.Join(option.Publisher("respond: the publisher", publisher), err); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		r := &respond{config: c, next: next, sender: republish.Sender{
			Name: "respond", Publisher: publisher, KeepTrying: c.keepTrying, Log: c.log, Final: permanent,
		}}
		if within {
			return &inTransaction{r}
		}
		return r
	}
}

type respond struct {
	config
	next   processor.Processor
	sender republish.Sender
}

var (
	_ stack.Layer     = (*respond)(nil)
	_ stack.Wrapper   = (*respond)(nil)
	_ stack.Describer = (*respond)(nil)
	_ stack.Predictor = (*respond)(nil)
)

// Name is "respond".
func (*respond) Name() string { return "respond" }

// Role is [stack.Responds].
func (*respond) Role() stack.Role { return stack.Responds }

// Unwrap returns the inner layers.
func (r *respond) Unwrap() processor.Processor { return r.next }

// Settings returns those of the options.
func (r *respond) Settings() []stack.Setting {
	settings := []stack.Setting{{Name: "keep trying", Value: r.keepTrying.String()}}
	if r.derived {
		settings = append(settings, stack.Setting{Name: "ids derived for", Value: r.handler})
	}
	if r.errors != nil {
		settings = append(settings, stack.Setting{Name: "errors", Value: r.errors.to.String()})
	}
	return settings
}

// Process runs the inner layers and sends their results, or the answer to their error.
func (r *respond) Process(ctx context.Context, msg processor.Message) error {
	var slot outgoing.Slot[[]Result]
	err := r.next.Process(slot.In(ctx), msg)
	results := slot.Value
	if processor.Decide(err).Action != processor.Done {
		answer, answered := r.errors.answer(ctx, msg, err)
		if !answered {
			return err
		}
		results, err = []Result{answer}, processor.Drop(err)
	}
	if len(results) == 0 {
		return err
	}
	if problem := r.send(ctx, msg, results); problem != nil {
		return failed(problem, err)
	}
	return err
}

// failed is the result for a message whose results were not sent because of problem.
func failed(problem, err error) error {
	if err != nil {
		// The decision in err is not kept: what it says about the message was to hold after the results.
		problem = fmt.Errorf("%w; the handler had returned: %v", problem, err) //nolint:errorlint // on purpose
	}
	if permanent(problem) {
		return processor.Reject(problem)
	}
	return problem
}

// permanent reports whether a result, or its destination, is wrong. Trying again would only send the
// others again.
func permanent(err error) bool {
	return callback.Is(err, processor.ErrUnroutable) || republish.Unsendable(err) ||
		callback.Is(err, processor.ErrForbidden) && !callback.Is(err, processor.ErrIndeterminate)
}

// send publishes all results; those that are confirmed are not sent again.
func (r *respond) send(ctx context.Context, msg processor.Message, results []Result) error {
	left := r.named(msg, results)
	err := r.sender.Send(ctx, msg, fmt.Sprintf("%d results", len(results)), func(ctx context.Context) error {
		var err error
		left, err = publish(ctx, r.sender.Publisher, left)
		return err
	})
	if err != nil {
		return fmt.Errorf("respond: %d of %d results were not sent: %w", len(left), len(results), err)
	}
	return nil
}

// named returns the results with what they lack.
func (r *respond) named(msg processor.Message, results []Result) []Result {
	now := time.Now().Truncate(time.Second)
	named := make([]Result, len(results))
	for i, result := range results {
		lineage.Follow(&result.Envelope, msg)
		if result.ID == "" {
			result.ID = r.id(msg, i)
		}
		if result.Timestamp.IsZero() {
			result.Timestamp = now
		}
		named[i] = result
	}
	return named
}

func (r *respond) id(msg processor.Message, n int) string {
	if id := msg.Properties().ID; r.derived && id != "" {
		return lineage.DerivedID(id, r.handler, n)
	}
	return lineage.RandomID()
}

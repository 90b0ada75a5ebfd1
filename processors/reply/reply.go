package reply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/outgoing"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that answers requests through publisher, in the words of protocol. It is safe
// for concurrent use. For each message it allocates a place for the result, and contexts that lead there.
//
// The stack refuses a publisher or a protocol that is nil or cannot work ([processor.Check]), and options that
// cannot.
func New(publisher processor.Publisher, protocol remote.Server, opts ...Option) processor.Middleware {
	c := config{keepTrying: republish.DefaultKeepTrying}
	err := option.Apply("reply", &c, opts)
	if err = errors.Join(option.Sender("reply: the publisher", publisher), checkProtocol(protocol), err, c.check()); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		r := &reply{next: next, protocol: protocol, sender: republish.Sender{
			Name: "reply", Publisher: publisher, KeepTrying: c.keepTrying, Log: c.log, Final: gone,
		}}
		r.silences.Longest, r.silences.Over = probeEvery, r.over
		return r
	}
}

// Option changes how requests are answered.
type Option func(*config)

type config struct {
	keepTrying time.Duration
	log        *slog.Logger
}

// KeepTrying sets for how long a reply that the broker does not take is tried again before the request
// goes back to its queue. 0 is one try. Default: 15 seconds.
func KeepTrying(d time.Duration) Option { return func(c *config) { c.keepTrying = d } }

// Logger sets where the layer reports callers that are gone. Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

func (c *config) check() error { return option.NotNegative("reply: KeepTrying", c.keepTrying) }

func checkProtocol(p remote.Server) error {
	if p == nil {
		return errors.New("reply: the protocol is nil: pass remote.JSON, or another that the callers speak")
	}
	if err := processor.Check(p); err != nil {
		return fmt.Errorf("reply: the protocol cannot work: %w", err)
	}
	return nil
}

type reply struct {
	next     processor.Processor
	protocol remote.Server
	sender   republish.Sender
	silences silent.Destinations // of all workers
}

var (
	_ stack.Layer     = (*reply)(nil)
	_ stack.Wrapper   = (*reply)(nil)
	_ stack.Describer = (*reply)(nil)
	_ stack.Predictor = (*reply)(nil)
)

// Name is "reply".
func (*reply) Name() string { return "reply" }

// Role is [stack.Answers].
func (*reply) Role() stack.Role { return stack.Answers }

// Unwrap returns the inner layers.
func (r *reply) Unwrap() processor.Processor { return r.next }

// Settings returns those of the options.
func (r *reply) Settings() []stack.Setting {
	return []stack.Setting{{Name: "keep trying", Value: r.sender.KeepTrying.String()}}
}

// Process runs the inner layers, and answers unless the message is processed again.
func (r *reply) Process(ctx context.Context, msg processor.Message) error {
	var result outgoing.Slot[processor.Envelope]
	var fate stack.Fate
	err := r.next.Process(result.In(stack.WithFate(ctx, &fate)), msg)
	over, failure := ended(ctx, fate, err)
	if !over {
		return err
	}
	if to, wanted := r.destination(msg); wanted {
		answer := result.Value
		if failure != nil || !result.Full {
			answer = r.other(failure)
		}
		if problem := r.answer(ctx, msg, to, answer); problem != nil {
			return unanswered(to, fate, problem, err)
		}
	}
	if fate.Parked == nil && processor.Decide(err).Action == processor.Failed {
		return processor.Reject(err) // it would be answered again
	}
	return err
}

// ended reports whether the message is not processed again, and why it has failed.
func ended(ctx context.Context, fate stack.Fate, err error) (over bool, failure error) {
	action := processor.Decide(err).Action
	failed := action == processor.Failed || action == processor.Rejected
	switch {
	case fate.ComesBack && failed, fate.Retried, processor.Lost(ctx), action == processor.Requeued, action == processor.Released:
		return false, nil
	case fate.Parked != nil:
		return true, fate.Parked
	case fate.Skipped && action == processor.Done:
		return true, errProcessed
	case action == processor.Done:
		return true, nil
	case processor.CutShort(ctx):
		return false, nil
	}
	return true, err
}

// errProcessed is the answer to a request that was processed before. If it was answered then, its
// caller waits no more, and drops this.
var errProcessed = &remote.Error{
	Type: remote.TypeProcessed, Message: "the request was processed before, and is not again; its reply was sent then, or is lost",
}

// other returns the answer about failure, or, if it is nil, the empty result.
func (r *reply) other(failure error) processor.Envelope {
	if failure == nil {
		nothing, err := r.protocol.EncodeResult(nil)
		if err == nil {
			return nothing
		}
		failure = err
	}
	return r.protocol.EncodeError(remote.ErrorOf(failure))
}

// answer publishes the reply, unless its destination is known not to answer.
func (r *reply) answer(ctx context.Context, msg processor.Message, to processor.Destination, e processor.Envelope) error {
	may := r.turn(ctx, to)
	switch may {
	case silent.Later:
		r.silences.Drop(to)
		return nil
	case silent.Asked:
		return errWaited
	case silent.Probe:
		defer r.silences.Spare(to) // unless it has brought something, and also if it does not return
	case silent.Free:
	}
	begun := time.Now()
	err := r.deliver(ctx, msg, to, e, may == silent.Probe)
	if may == silent.Free && r.isSilent(ctx, to, begun, err) {
		err = r.deliver(ctx, msg, to, e, true) // the broker may have been away until just now
	}
	switch {
	case r.isSilent(ctx, to, begun, err):
		r.silence(ctx, msg, to, err)
		return nil
	case isAnswer(err):
		r.silences.Answered(to, begun)
	}
	// A queue that takes nothing for so long is the caller's own, and must not hold up the service.
	if isRefusal(err) || gone(err) || republish.Unsendable(err) {
		r.nobody(ctx, msg, to, err)
		return nil
	}
	return err
}

// deliver publishes the reply, with less patience for a probe. If it can never be sent, the caller gets an error that says so.
func (r *reply) deliver(ctx context.Context, msg processor.Message, to processor.Destination, e processor.Envelope, probe bool) error {
	sender := r.sender
	if probe {
		sender.KeepTrying = probeTime
	}
	send := func(e processor.Envelope) error {
		e.CorrelationID = cmp.Or(msg.Properties().CorrelationID, msg.Properties().ID)
		return sender.To(ctx, msg, to, e)
	}
	err := send(e)
	if republish.Unsendable(err) {
		err = send(r.protocol.EncodeError(&remote.Error{
			Type:    remote.TypeUnserializable,
			Message: "the reply cannot be sent: it is too large, or a header has a type that no broker carries",
		}))
	}
	return err
}

// gone reports whether nobody takes a reply any more, or the service may not send it there. Trying again
// does not help.
func gone(err error) bool {
	return callback.Is(err, processor.ErrUnroutable) || callback.Is(err, processor.ErrForbidden) && !callback.Is(err, processor.ErrIndeterminate)
}

// nobody logs that the caller has no reply. To direct reply-to RabbitMQ before 4.3 says "unroutable" also
// about a reply that it has delivered, so that says nothing.
func (r *reply) nobody(ctx context.Context, msg processor.Message, to processor.Destination, err error) {
	if isDirect(to) && callback.Is(err, processor.ErrUnroutable) {
		return
	}
	logattr.Or(r.sender.Log).LogAttrs(ctx, slog.LevelWarn, "the caller does not take its reply",
		append(logattr.Of(msg, err), slog.String("to", to.String()))...)
}

// unanswered is the result for a message that is processed to the end, and whose reply was not sent because of
// problem. The message goes back, unless a retry has parked it: it would be parked again.
func unanswered(to processor.Destination, fate stack.Fate, problem, err error) error {
	problem = fmt.Errorf("reply: not sent to %s: %w", to, problem)
	if fate.Parked == nil {
		return processor.Requeue(errors.Join(problem, err))
	}
	return errors.Join(err, processor.Drop(problem))
}

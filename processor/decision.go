package processor

import (
	"errors"
	"fmt"
	"time"
)

// Action says how a message is settled.
type Action uint8

// The actions. Of decisions that are joined, the highest value counts.
const (
	// Done: the message was processed. It is acked.
	Done Action = iota
	// Dropped: it failed, and is acked without a retry.
	Dropped
	// Rejected: it failed and must not be retried. A layer that parks publishes it to its parked queue. Without
	// one it is nacked: the queue dead-letters it, or drops it if it has no dead-letter exchange.
	Rejected
	// Failed: it failed and may be retried. Without a layer that retries it is nacked, as a rejected one is.
	Failed
	// Released: it was not begun. It goes back to its queue untouched.
	Released
	// Requeued: it goes back to its queue, whatever else is configured.
	Requeued
)

// String returns the action in lower case.
func (a Action) String() string {
	switch a {
	case Done:
		return "done"
	case Dropped:
		return "dropped"
	case Rejected:
		return "rejected"
	case Failed:
		return "failed"
	case Released:
		return "released"
	case Requeued:
		return "requeued"
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}

// Decision is what an error says about a message; see [Decide].
type Decision struct {
	// Action says how the message is settled.
	Action Action
	// After is the delay that the handler asked for with [RetryAfter], or 0.
	After time.Duration
	// Stop ends the run after this message.
	Stop bool
}

// ErrStop means: the message was processed, and the run ends after it.
var ErrStop = errors.New("processor: stop after this message")

// ErrShutdown is the cause of a context that ended because the run is over. A
// message that fails under it has not used up an attempt and goes back untouched.
var ErrShutdown = errors.New("processor: shutting down")

// errNoCause stands for the error that a caller of Reject, Requeue and the others left out.
var errNoCause = errors.New("no cause given")

// Reject wraps err: the message failed and must not be retried; see [Rejected].
// A nil err still rejects: a decision is never silently a success.
func Reject(err error) error { return decide(Rejected, 0, err) }

// Requeue wraps err: the message goes back to its queue and is redelivered. A nil
// err still requeues.
func Requeue(err error) error { return decide(Requeued, 0, err) }

// Release wraps err: the message was not begun, because a layer let nothing through. It
// goes back to its queue untouched, which does not count as an attempt. No layer settles
// it; the runner of the pipeline gives it back. A nil err still releases.
func Release(err error) error { return decide(Released, 0, err) }

// Drop wraps err: the message failed, and is acked without a retry. A nil err still drops.
func Drop(err error) error { return decide(Dropped, 0, err) }

// RetryAfter wraps err: the message failed and is retried after delay.
// processors/backoff follows the delay; processors/retry, whose queues have fixed delays,
// retries as it does for any error. A negative delay is 0; a nil err still retries.
func RetryAfter(err error, delay time.Duration) error {
	return decide(Failed, max(delay, 0), err)
}

// Stop wraps err: the message failed, and the run ends after it, with err.
// Stop(nil) is [ErrStop].
func Stop(err error) error {
	if err == nil {
		return ErrStop
	}
	return &stop{err}
}

func decide(a Action, after time.Duration, err error) error {
	if err == nil {
		err = errNoCause
	}
	return &outcome{action: a, after: after, err: err}
}

// outcome is an error with a decision about its message.
type outcome struct {
	action Action
	after  time.Duration
	err    error
}

func (o *outcome) Error() string { return o.err.Error() }
func (o *outcome) Unwrap() error { return o.err }

// stop is a failure that ends the run.
type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }
func (s *stop) Unwrap() error { return s.err }

// Decide reads what err says about its message. nil is [Done], an error without a
// decision is [Failed].
//
// Of decisions wrapped in one another the outermost counts: it was made by the layer
// that knew most. Of decisions joined side by side the one that keeps the message
// safest counts: requeued, then released, retry after (the longest delay), rejected,
// dropped. An error without a decision, such as a sentinel beside it, does not change one.
// Stop counts wherever it is.
//
// An error whose Unwrap panics, as that of a typed nil pointer may, is a plain failure, and so is
// what wraps itself: Decide looks at 100,000 errors at most. It allocates nothing.
func Decide(err error) Decision {
	if err == nil {
		return Decision{Action: Done}
	}
	r := reader{left: maxErrors}
	v := r.read(err)
	if !v.explicit && !v.plain {
		return Decision{Action: Done, Stop: v.stop} // nothing but ErrStop
	}
	if !v.explicit {
		v.action = Failed
	}
	return Decision{Action: v.action, After: v.after, Stop: v.stop}
}

// verdict is the result of reading one branch of an error tree.
type verdict struct {
	action   Action
	after    time.Duration
	explicit bool // the branch holds a decision
	plain    bool // the branch holds a failure
	stop     bool
}

// maxErrors is how many errors of one tree are read.
const maxErrors = 100_000

// reader reads an error tree, until it has seen so many errors: one may wrap itself.
type reader struct{ left int }

func (r *reader) read(err error) verdict {
	for r.left--; r.left >= 0; r.left-- {
		if err == ErrStop { //nolint:errorlint // read walks the tree itself
			return verdict{stop: true}
		}
		switch e := err.(type) { //nolint:errorlint // read walks the tree itself
		case *outcome:
			return verdict{
				action: e.action, after: e.after, explicit: true, plain: true,
				stop: r.read(e.err).stop,
			}
		case *stop:
			v := r.read(e.err)
			v.stop, v.plain = true, true
			return v
		case interface{ Unwrap() error }:
			if err = unwrapOne(e); err != nil {
				continue
			}
		case interface{ Unwrap() []error }:
			return r.readAll(unwrapAll(e))
		}
		break
	}
	return verdict{plain: true}
}

// unwrapOne survives an Unwrap that panics: a handler that returns a typed nil pointer
// by mistake must not end the process, again at each redelivery of the message.
func unwrapOne(e interface{ Unwrap() error }) (inner error) {
	defer func() { _ = recover() }()
	return e.Unwrap()
}

// unwrapAll is unwrapOne for errors that hold several.
func unwrapAll(e interface{ Unwrap() []error }) (inner []error) {
	defer func() { _ = recover() }()
	return e.Unwrap()
}

// safer returns the decision that keeps the message safer, or later.
func (v verdict) safer(w verdict) bool {
	return v.action > w.action || v.action == w.action && v.after > w.after
}

func (r *reader) readAll(errs []error) verdict {
	var all verdict
	empty := true
	for _, err := range errs {
		if err == nil {
			continue
		}
		empty = false
		v := r.read(err)
		all.stop = all.stop || v.stop
		all.plain = all.plain || v.plain
		if v.explicit && (!all.explicit || v.safer(all)) {
			all.action, all.after, all.explicit = v.action, v.after, true
		}
	}
	all.plain = all.plain || empty
	return all
}

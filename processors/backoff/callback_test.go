package backoff_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

// They run outside the recovery layer.
func TestAFunctionThatPanicsDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	pick := backoff.If(func(error) bool { panic(processor.ErrStop) })
	for name, tc := range map[string]struct {
		function  string
		option    backoff.Option
		published int
		settled   processortest.Settlement
	}{
		"Func":           {"Func", backoff.Schedule(backoff.Func(func(int, processor.Message) time.Duration { panic("no delay") })), 0, processortest.Requeued},
		"If":             {"If", pick, 0, processortest.Requeued},
		"If in a policy": {"If", backoff.Policy(pick), 0, processortest.Requeued},
		"OnBackoff":      {"OnBackoff", backoff.OnBackoff(func(context.Context, backoff.Event) { panic(errors.New("no journal")) }), 1, processortest.Acked},
	} {
		for _, result := range []error{errMail, processor.Stop(errMail)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pub := &processortest.Publisher{}
				p, err := stack.New(ack.New(), backoff.New(pub, "mail", tc.option)).
					ThenFunc(func(context.Context, processor.Message) error { return result })
				require.NoError(t, err)
				msg := message()
				err = p.Process(t.Context(), msg)
				require.ErrorContains(t, err, "backoff: the function given to "+tc.function+" panicked")
				require.ErrorIs(t, err, errMail)
				require.Equal(t, processor.Decide(result).Stop, processor.Decide(err).Stop, "the handler's wish stands, the panic has none")
				settledAs(t, msg, tc.settled)
				require.Len(t, pub.Published(), tc.published)
			})
		}
	}
}

// badError panics in its Error method.
type badError struct{ kind string }

func (e *badError) Error() string { panic("no text for " + e.kind) }
func (e *badError) Is(error) bool { panic("no comparison for " + e.kind) }
func (e *badError) Unwrap() error { panic("nothing in " + e.kind) }

func TestAnErrorWhoseMethodsPanicIsRetriedAndParked(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	var nilOfOurs *badError
	for name, result := range map[string]error{
		"typed nil, as of the standard library": typedNil,
		"typed nil":                             nilOfOurs,
		"methods panic":                         &badError{"mail"},
		"wrapped":                               processor.Stop(errors.Join(typedNil)),
		"in a request":                          backoff.Again(typedNil),
		"in a request with a delay":             processor.RetryAfter(&badError{"mail"}, time.Hour),
	} {
		for what, tc := range map[string]struct {
			count   int
			opts    []backoff.Option
			failure error
			settled processortest.Settlement
		}{
			"retried":             {0, nil, nil, processortest.Acked},
			"compared":            {0, []backoff.Option{backoff.Policy(backoff.For(errBusy))}, nil, processortest.Acked},
			"parked":              {20, []backoff.Option{backoff.Park(parked), backoff.StackTrace()}, nil, processortest.Acked},
			"parked, nothing set": {20, nil, nil, processortest.Rejected},
			"not sent":            {0, []backoff.Option{backoff.KeepTrying(0)}, processor.ErrRefused, processortest.Requeued},
			"never to fit":        {0, []backoff.Option{backoff.Park(parked)}, processor.ErrTooLarge, ""},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				pub := &processortest.Publisher{}
				pub.FailWith(tc.failure)
				p, err := stack.New(ack.New(), backoff.New(pub, "mail", tc.opts...)).
					ThenFunc(func(context.Context, processor.Message) error { return result })
				require.NoError(t, err)
				msg := message(retries(tc.count))
				_ = p.Process(t.Context(), msg)
				settledAs(t, msg, tc.settled)
			})
		}
	}
}

func TestTheStackOfAPanicIsToldIfWanted(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]backoff.Option{{backoff.StackTrace()}, {}} {
		pub := &processortest.Publisher{}
		p, err := stack.New(ack.New(), backoff.New(pub, "mail", append(opts, backoff.Retries(1), backoff.Park(parked))...), recovery.New(recovery.Logger(quiet))).
			ThenFunc(func(context.Context, processor.Message) error { panic(errMail) })
		require.NoError(t, err)
		require.NoError(t, p.Process(t.Context(), message(retries(1))))
		_, told := pub.Published()[0].Envelope.Headers["warren-stack"]
		require.Equal(t, len(opts) > 0, told)
		require.Equal(t, "*recovery.PanicError", pub.Published()[0].Envelope.Headers["warren-error-type"])
	}
}

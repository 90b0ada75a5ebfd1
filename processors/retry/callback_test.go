package retry_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// Each ended the process, and again each time the broker redelivered the message.
func TestAFunctionThatPanicsDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pattern   string
		option    retry.Option
		published int
		settled   processortest.Settlement
	}{
		"Keys": {"", retry.Keys(func(int, processor.Message) string { panic("no key") }), 0, processortest.Requeued},
		"If":   {"r_%attempt%", retry.If(func(error) bool { panic(processor.ErrStop) }), 0, processortest.Requeued},
		"OnRepublish": {
			"r_%attempt%",
			retry.OnRepublish(func(context.Context, retry.Event) { panic(errors.New("no journal")) }), 1, processortest.Acked,
		},
	} {
		for _, result := range []error{errMail, processor.Stop(errMail)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pub := &processortest.Publisher{}
				p, err := stack.New(ack.New(), retry.New(pub, tc.pattern, tc.option)).
					ThenFunc(func(context.Context, processor.Message) error { return result })
				require.NoError(t, err)
				msg := processortest.NewMessage()
				err = p.Process(t.Context(), msg)
				require.ErrorContains(t, err, "the function given to "+name+" panicked")
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

func TestAnErrorWhoseMethodsPanicIsRetriedAndParked(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	var nilOfOurs *badError
	for name, result := range map[string]error{
		"typed nil, as of the standard library": typedNil,
		"typed nil":                             nilOfOurs,
		"Error panics":                          &badError{"mail"},
		"wrapped":                               processor.Stop(errors.Join(typedNil)),
	} {
		for what, tc := range map[string]struct {
			count   int
			opts    []retry.Option
			failure error
			settled processortest.Settlement
		}{
			"retried":      {0, nil, nil, processortest.Acked},
			"parked":       {3, []retry.Option{retry.ParkKey(parked)}, nil, processortest.Acked},
			"exhausted":    {3, nil, nil, processortest.Rejected},
			"not sent":     {0, []retry.Option{retry.KeepTrying(0)}, processor.ErrRefused, processortest.Requeued},
			"never to fit": {0, []retry.Option{retry.ParkKey(parked)}, processor.ErrTooLarge, ""},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				pub := &processortest.Publisher{}
				pub.FailWith(tc.failure)
				p, err := stack.New(ack.New(), retry.New(pub, "r_%attempt%", tc.opts...)).
					ThenFunc(func(context.Context, processor.Message) error { return result })
				require.NoError(t, err)
				msg := processortest.NewMessage(attempts(tc.count))
				_ = p.Process(t.Context(), msg)
				settledAs(t, msg, tc.settled)
			})
		}
	}
}

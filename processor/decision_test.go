package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

var errPlain = errors.New("plain")

func wrap(err error) error { return fmt.Errorf("wrapped: %w", err) }

func TestDecide(t *testing.T) {
	t.Parallel()
	reject, requeue, drop := processor.Reject(errPlain), processor.Requeue(errPlain), processor.Drop(errPlain)
	later := processor.RetryAfter(errPlain, time.Minute)

	for name, test := range map[string]struct {
		err  error
		want processor.Decision
	}{
		"nil":                     {nil, processor.Decision{}},
		"a plain error":           {errPlain, processor.Decision{Action: processor.Failed}},
		"Reject":                  {reject, processor.Decision{Action: processor.Rejected}},
		"Requeue":                 {requeue, processor.Decision{Action: processor.Requeued}},
		"Release":                 {processor.Release(errPlain), processor.Decision{Action: processor.Released}},
		"Release(nil)":            {processor.Release(nil), processor.Decision{Action: processor.Released}},
		"Release, stop beside":    {errors.Join(processor.ErrStop, processor.Release(nil)), processor.Decision{Action: processor.Released, Stop: true}},
		"Drop":                    {drop, processor.Decision{Action: processor.Dropped}},
		"RetryAfter":              {later, processor.Decision{Action: processor.Failed, After: time.Minute}},
		"RetryAfter, negative":    {processor.RetryAfter(errPlain, -time.Minute), processor.Decision{Action: processor.Failed}},
		"Reject(nil)":             {processor.Reject(nil), processor.Decision{Action: processor.Rejected}},
		"Requeue(nil)":            {processor.Requeue(nil), processor.Decision{Action: processor.Requeued}},
		"Drop(nil)":               {processor.Drop(nil), processor.Decision{Action: processor.Dropped}},
		"RetryAfter(nil)":         {processor.RetryAfter(nil, time.Minute), processor.Decision{Action: processor.Failed, After: time.Minute}},
		"ErrStop":                 {processor.ErrStop, processor.Decision{Stop: true}},
		"Stop(nil)":               {processor.Stop(nil), processor.Decision{Stop: true}},
		"ErrStop, wrapped":        {wrap(processor.ErrStop), processor.Decision{Stop: true}},
		"ErrStop, twice":          {errors.Join(processor.ErrStop, processor.ErrStop), processor.Decision{Stop: true}},
		"Stop":                    {processor.Stop(errPlain), processor.Decision{Action: processor.Failed, Stop: true}},
		"Stop(Reject)":            {processor.Stop(reject), processor.Decision{Action: processor.Rejected, Stop: true}},
		"Stop(Requeue)":           {processor.Stop(requeue), processor.Decision{Action: processor.Requeued, Stop: true}},
		"Stop(Drop)":              {processor.Stop(drop), processor.Decision{Action: processor.Dropped, Stop: true}},
		"Stop(RetryAfter)":        {processor.Stop(later), processor.Decision{Action: processor.Failed, After: time.Minute, Stop: true}},
		"Reject(Stop)":            {processor.Reject(processor.Stop(errPlain)), processor.Decision{Action: processor.Rejected, Stop: true}},
		"Reject(ErrStop)":         {processor.Reject(processor.ErrStop), processor.Decision{Action: processor.Rejected, Stop: true}},
		"a context's error":       {context.DeadlineExceeded, processor.Decision{Action: processor.Failed}},
		"the shutdown's error":    {processor.ErrShutdown, processor.Decision{Action: processor.Failed}},
		"an error that wraps nil": {fmt.Errorf("%w", error(nil)), processor.Decision{Action: processor.Failed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, processor.Decide(test.err))
			if test.err != nil {
				require.Equal(t, test.want, processor.Decide(wrap(wrap(test.err))), "wrapped with %%w")
				require.Equal(t, test.want, processor.Decide(errors.Join(test.err)), "joined with nothing")
			}
		})
	}
}

// Of decisions in one another the outermost counts, whatever the inner one is.
func TestDecideNested(t *testing.T) {
	t.Parallel()
	for _, outer := range decisions {
		for _, inner := range decisions {
			t.Run(outer.name+"("+inner.name+")", func(t *testing.T) {
				t.Parallel()
				nested := outer.wrap(wrap(inner.wrap(errPlain)))
				require.Equal(t, outer.action, processor.Decide(nested).Action)
				require.Equal(t, outer.action, processor.Decide(wrap(nested)).Action)
				require.Equal(t, outer.after, processor.Decide(nested).After, "a delay goes with its own decision")
			})
		}
	}
}

// Of decisions side by side the safest counts, in either order. The list is sorted by
// safety, so the one with the higher index wins.
func TestDecideJoined(t *testing.T) {
	t.Parallel()
	for i, a := range decisions {
		for j, b := range decisions {
			t.Run(a.name+" beside "+b.name, func(t *testing.T) {
				t.Parallel()
				winner := decisions[max(i, j)]
				left, right := a.wrap(errPlain), wrap(b.wrap(errPlain))
				for _, joined := range []error{
					errors.Join(left, right),
					fmt.Errorf("%w, then %w", left, right),
					errors.Join(io.EOF, errors.Join(left, io.EOF), right),
				} {
					got := processor.Decide(joined)
					require.Equal(t, winner.action, got.Action)
					require.Equal(t, winner.after, got.After)
					require.False(t, got.Stop)
				}
			})
		}
	}
}

// decisions are sorted as Decide weighs them when they are joined.
var decisions = []struct {
	name   string
	wrap   func(error) error
	action processor.Action
	after  time.Duration
}{
	{"Drop", processor.Drop, processor.Dropped, 0},
	{"Reject", processor.Reject, processor.Rejected, 0},
	{"RetryAfter", func(err error) error { return processor.RetryAfter(err, time.Hour) }, processor.Failed, time.Hour},
	{"Release", processor.Release, processor.Released, 0},
	{"Requeue", processor.Requeue, processor.Requeued, 0},
}

func TestDecideStopBesideOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		beside error
		want   processor.Action
	}{
		"a failure": {errPlain, processor.Failed},
		"Reject":    {processor.Reject(errPlain), processor.Rejected},
		"Requeue":   {processor.Requeue(errPlain), processor.Requeued},
		"Drop":      {processor.Drop(errPlain), processor.Dropped},
		"nothing":   {nil, processor.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := processor.Decision{Action: test.want, Stop: true}
			require.Equal(t, want, processor.Decide(errors.Join(processor.ErrStop, test.beside)))
			require.Equal(t, want, processor.Decide(errors.Join(test.beside, wrap(processor.ErrStop))))
		})
	}
}

// temporary carries data, as the errors that handlers look for with errors.As do.
type temporary struct{ host string }

func (t *temporary) Error() string { return t.host + " is down" }

func TestDecisionsKeepTheErrorChain(t *testing.T) {
	t.Parallel()
	for name, decorate := range map[string]func(error) error{
		"Reject":     processor.Reject,
		"Requeue":    processor.Requeue,
		"Drop":       processor.Drop,
		"RetryAfter": func(err error) error { return processor.RetryAfter(err, time.Second) },
		"Stop":       processor.Stop,
		"all of them": func(err error) error {
			return wrap(processor.Drop(processor.Requeue(processor.Stop(processor.Reject(processor.RetryAfter(err, 1))))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cause := &temporary{"mail.example"}
			err := decorate(errors.Join(wrap(cause), io.ErrUnexpectedEOF))
			require.ErrorIs(t, err, cause)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			var got *temporary
			require.ErrorAs(t, err, &got)
			require.Equal(t, "mail.example", got.host)
			require.ErrorContains(t, err, "mail.example is down")
		})
	}
}

func TestADecisionWithoutACauseStillSpeaks(t *testing.T) {
	t.Parallel()
	for _, d := range decisions {
		require.NotEmpty(t, d.wrap(nil).Error())
	}
	require.Same(t, processor.ErrStop, processor.Stop(nil))
}

//nolint:paralleltest // AllocsPerRun counts what other tests allocate too.
func TestDecideAllocatesNothing(t *testing.T) {
	for name, err := range map[string]error{
		"nil":       nil,
		"plain":     errPlain,
		"nested":    wrap(processor.Reject(wrap(processor.Requeue(errPlain)))),
		"typed nil": wrap(typedNil()),
		"joined":    errors.Join(errPlain, processor.Stop(processor.Drop(errPlain)), fmt.Errorf("%w %w", errPlain, processor.Reject(errPlain))),
	} {
		require.Zero(t, testing.AllocsPerRun(1000, func() { processor.Decide(err) }), name)
	}
}

func TestActionString(t *testing.T) {
	t.Parallel()
	for action, want := range map[processor.Action]string{
		processor.Done:     "done",
		processor.Dropped:  "dropped",
		processor.Rejected: "rejected",
		processor.Failed:   "failed",
		processor.Requeued: "requeued",
		200:                "Action(" + strconv.Itoa(200) + ")",
	} {
		require.Equal(t, want, action.String())
	}
}

func TestShuttingDown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(cancel context.CancelCauseFunc)
		want bool
	}{
		"still running":                    {func(context.CancelCauseFunc) {}, false},
		"cancelled without a cause":        {func(cancel context.CancelCauseFunc) { cancel(nil) }, false},
		"cancelled by somebody else":       {func(cancel context.CancelCauseFunc) { cancel(errPlain) }, false},
		"the run is over":                  {func(cancel context.CancelCauseFunc) { cancel(processor.ErrShutdown) }, true},
		"the run is over, and it says why": {func(cancel context.CancelCauseFunc) { cancel(wrap(processor.ErrShutdown)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			child, stop := context.WithCancel(ctx)
			defer stop()
			test.end(cancel)
			require.Equal(t, test.want, processor.ShuttingDown(ctx))
			require.Equal(t, test.want, processor.ShuttingDown(child), "a handler's own context below it")
		})
	}
}

// A handler's own deadline is a failure like any other, even while the run ends.
func TestADeadlineOfTheHandlersOwnIsNoShutdown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	require.Error(t, ctx.Err())
	require.False(t, processor.ShuttingDown(ctx))
}

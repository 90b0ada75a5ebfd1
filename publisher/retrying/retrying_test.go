package retrying_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/retrying"
)

var errOdd = errors.New("odd")

func TestAMessageIsPublishedAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, id := range []string{"", "mine"} {
			next := newScript(processor.ErrIndeterminate, processor.ErrRefused, processor.ErrIndeterminate, nil)
			headers := processor.Headers{"a": int64(1)}
			e := processor.Envelope{Body: []byte("b"), Headers: headers, Properties: processor.Properties{ID: id, Type: "t"}}
			require.NoError(t, must.Have(retrying.New(next)).Publish(t.Context(), to, e))
			require.Len(t, next.got, 4)
			for _, got := range next.got {
				require.Equal(t, next.got[0], got)
			}
			require.Equal(t, id, e.ID, "the caller's")
			require.Equal(t, processor.Headers{"a": int64(1)}, headers, "the caller's")
			if id == "" {
				require.GreaterOrEqual(t, len(next.got[0].ID), 26)
				e.ID = next.got[0].ID
			}
			require.Equal(t, e, next.got[0])
		}
	})
}

func TestEachMessageWithoutAnIDGetsOneOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]retrying.Option{nil, {retrying.ID(nil)}} {
		next := &processortest.Publisher{}
		p := must.Have(retrying.New(next, opts...))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _ = p.Publish(t.Context(), to, processor.Envelope{}) })
		}
		wg.Wait()
		ids := map[string]bool{}
		for _, got := range next.Published() {
			ids[got.Envelope.ID] = true
		}
		require.Len(t, ids, 50)
		require.NotContains(t, ids, "")
	}
}

func TestTheIDMayBeMadeByAFunction(t *testing.T) {
	t.Parallel()
	next := &processortest.Publisher{}
	p := must.Have(retrying.New(next, retrying.ID(func() string { return "made" })))
	require.NoError(t, p.Publish(t.Context(), to, processor.Envelope{}))
	require.NoError(t, p.Publish(t.Context(), to, text("given")))
	require.Equal(t, "made", next.Published()[0].Envelope.ID)
	require.Equal(t, "given", next.Published()[1].Envelope.ID)
}

// Each error, and whether it is retried: by default, and with If for all.
func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err        error
		byItself   bool
		withFilter bool
	}{
		"refused":              {fmt.Errorf("x: %w", processor.ErrRefused), true, true},
		"indeterminate":        {fmt.Errorf("x: %w", processor.ErrIndeterminate), true, true},
		"a try's own deadline": {fmt.Errorf("%w: %w", processor.ErrIndeterminate, context.DeadlineExceeded), true, true},
		"unroutable":           {processor.ErrUnroutable, false, true},
		"blocked":              {processor.ErrBlocked, false, true},
		"unknown":              {errOdd, false, true},
		"a context's":          {context.Canceled, false, true},
		"too large":            {processor.ErrTooLarge, false, false},
		"a header's type":      {processor.ErrHeaderType, false, false},
		"forbidden":            {processor.ErrForbidden, false, false},
		"closed":               {processor.ErrClosed, false, false},
		"closed, in doubt":     {fmt.Errorf("%w: %w", processor.ErrIndeterminate, processor.ErrClosed), false, false},
		"forbidden, in doubt":  {fmt.Errorf("%w: %w", processor.ErrIndeterminate, processor.ErrForbidden), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, filtered := range []bool{false, true} {
					next, want := newScript(tc.err, nil), tc.byItself
					opts := []retrying.Option{retrying.If(nil), retrying.OnError(nil)}
					if filtered {
						opts, want = []retrying.Option{retrying.If(func(err error) bool { return err == tc.err })}, tc.withFilter //nolint:errorlint // that very error
					}
					err := must.Have(retrying.New(next, opts...)).Publish(t.Context(), to, text("1"))
					if want {
						require.NoError(t, err)
						require.Len(t, next.at, 2)
						continue
					}
					require.ErrorIs(t, err, tc.err)
					require.ErrorContains(t, err, "tries: 1")
					require.Equal(t, []time.Duration{0}, next.at, "at once, and once")
				}
			})
		})
	}
}

func TestTheFilterIsNotAskedAboutWhatIsTriedAgainAnyway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := newScript(processor.ErrRefused, processor.ErrIndeterminate, nil)
		p := must.Have(retrying.New(next, retrying.If(func(error) bool { return false })))
		require.NoError(t, p.Publish(t.Context(), to, text("1")))
	})
}

// Between half and all of the doubled wait, up to the limit; OnError gets the wait.
func TestWaits(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		opts []retrying.Option
		want []time.Duration
	}{
		"by default":   {nil, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}},
		"as told":      {[]retrying.Option{retrying.Backoff(10*ms, 25*ms)}, []time.Duration{10 * ms, 20 * ms, 25 * ms, 25 * ms}},
		"all the same": {[]retrying.Option{retrying.Backoff(ms, ms)}, []time.Duration{ms, ms, ms}},
		"for ages":     {[]retrying.Option{retrying.Backoff(time.Hour, math.MaxInt64)}, []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := map[time.Duration]bool{}
				for range 20 {
					var told []time.Duration
					answers := make([]error, len(tc.want), len(tc.want)+1)
					for i := range answers {
						answers[i] = processor.ErrRefused
					}
					next := newScript(append(answers, nil)...)
					p := must.Have(retrying.New(next, append(tc.opts, retrying.OnError(func(err error, wait time.Duration) {
						require.ErrorIs(t, err, processor.ErrRefused)
						told = append(told, wait)
					}))...))
					require.NoError(t, p.Publish(t.Context(), to, text("1")))
					for i, want := range tc.want {
						wait := next.at[i+1] - next.at[i]
						require.Equal(t, told[i], wait)
						require.LessOrEqual(t, wait, want)
						require.GreaterOrEqual(t, wait, want/2)
						random[wait] = true
					}
				}
				require.Greater(t, len(random), len(tc.want)+10, "they differ")
			})
		})
	}
}

func TestManyRetriesKeepTheLongestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		next := newScript(processor.ErrRefused)
		err := must.Have(retrying.New(next)).Publish(ctx, to, text("1"))
		require.ErrorIs(t, err, processor.ErrRefused)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour, time.Since(next.start), "as long as ctx allows, and no longer")
		require.Greater(t, len(next.at), 720)
		require.Less(t, len(next.at), 1440+10)
	})
}

func TestMaxRetriesComesAfterTheFirstTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 5} {
			next, told := newScript(processor.ErrRefused), 0
			p := must.Have(retrying.New(next, retrying.Retries(n), retrying.OnError(func(error, time.Duration) { told++ })))
			require.ErrorContains(t, p.Publish(t.Context(), to, text("1")), fmt.Sprintf("tries: %d: ", n+1))
			require.Len(t, next.at, n+1)
			require.Equal(t, n, told, "each error that another try follows")
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		next := newScript(processor.ErrRefused)
		p := must.Have(retrying.New(next, retrying.Backoff(time.Hour, time.Hour)))
		time.AfterFunc(time.Second, func() { cancel(cause) })
		err := p.Publish(ctx, to, text("1"))
		require.Equal(t, time.Second, time.Since(next.start))
		for _, want := range []error{context.Canceled, cause, processor.ErrRefused} {
			require.ErrorIs(t, err, want)
		}
		require.EqualError(t, err, "retrying: tries: 1: context canceled: shutting down: the broker refused the message")
	})
}

func TestAPanicOfThePublisherGoesOn(t *testing.T) {
	t.Parallel()
	p := must.Have(retrying.New(processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error { panic("boom") })))
	require.PanicsWithValue(t, "boom", func() { _ = p.Publish(t.Context(), to, text("1")) })
}

func TestAFunctionThatPanicsHidesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			option retrying.Option
			last   error
		}{
			"OnError": {retrying.OnError(func(err error, _ time.Duration) {
				if errors.Is(err, processor.ErrRefused) {
					panic("boom")
				}
			}), processor.ErrRefused},
			"If": {retrying.If(func(error) bool { panic("boom") }), errOdd},
		} {
			next := newScript(processor.ErrIndeterminate, tc.last, nil)
			err := must.Have(retrying.New(next, tc.option)).Publish(t.Context(), to, text("1"))
			require.ErrorIs(t, err, tc.last)
			require.ErrorIs(t, err, processor.ErrIndeterminate)
			require.ErrorContains(t, err, "the function given to "+name+" panicked: boom")
			require.Len(t, next.at, 2)
		}
	})
}

func TestWithoutAnIDNothingIsPublished(t *testing.T) {
	t.Parallel()
	for _, f := range []func() string{func() string { return "" }, func() string { panic("boom") }} {
		next := newScript(nil)
		require.ErrorContains(t, must.Have(retrying.New(next, retrying.ID(f))).Publish(t.Context(), to, processor.Envelope{}), "the function given to ID")
		require.Empty(t, next.at)
		require.NoError(t, must.Have(retrying.New(next, retrying.ID(f))).Publish(t.Context(), to, text("1")), "it has one")
	}
}

func TestWrongOptionsShowAtConstruction(t *testing.T) {
	t.Parallel()
	next := newScript(nil)
	for name, err := range map[string]error{
		"no publisher":      must.Fail(retrying.New(nil)),
		"a nil option":      must.Fail(retrying.New(next, nil)),
		"no wait":           must.Fail(retrying.New(next, retrying.Backoff(0, time.Second))),
		"a negative wait":   must.Fail(retrying.New(next, retrying.Backoff(-time.Second, time.Second))),
		"without a unit":    must.Fail(retrying.New(next, retrying.Backoff(100, time.Second))),
		"a shrinking wait":  must.Fail(retrying.New(next, retrying.Backoff(time.Second, time.Millisecond))),
		"negative retries":  must.Fail(retrying.New(next, retrying.Retries(-2))),
		"a missing maximum": must.Fail(retrying.New(next, retrying.Backoff(time.Second, 0))),
	} {
		require.ErrorContains(t, err, "retrying: ", name)
	}
}

type taking struct{}

func (taking) Publish(context.Context, processor.Destination, processor.Envelope) error { return nil }

func TestAMessageThatIsTakenAtOnceCostsNoAllocation(t *testing.T) {
	p := must.Have(retrying.New(taking{}, retrying.If(func(error) bool { return true }), retrying.OnError(func(error, time.Duration) {})))
	ctx, e := t.Context(), text("1")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := p.Publish(ctx, to, e); err != nil {
			panic(err)
		}
	}))
}

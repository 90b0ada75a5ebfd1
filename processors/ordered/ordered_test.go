package ordered_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/ordered"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/timeout"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var errMail = errors.New("mail server says no")

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return ordered.New(ordered.ByRoutingKey) },
		Allocates: true, // a ticket and a context value
	})
}

// fixture is a layer around a handler that notes what it begins, and holds each message
// that is told to wait.
type fixture struct {
	layer processor.Processor

	mu    sync.Mutex
	begun []string
	hold  map[string]chan struct{}
}

// byKey makes the key of what stands before the colon in a message such as "k:1".
func byKey(msg processor.Message) string {
	key, _, _ := strings.Cut(string(msg.Body()), ":")
	return key
}

func newFixture(hold ...string) *fixture {
	f := &fixture{hold: map[string]chan struct{}{}}
	for _, body := range hold {
		f.hold[body] = make(chan struct{})
	}
	f.layer = ordered.New(byKey)(processor.ProcessorFunc(f.handle))
	return f
}

func (f *fixture) handle(ctx context.Context, msg processor.Message) error {
	f.mu.Lock()
	f.begun = append(f.begun, string(msg.Body()))
	hold := f.hold[string(msg.Body())]
	f.mu.Unlock()
	if hold == nil {
		return nil
	}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// now returns what has begun when nothing moves any more.
func (f *fixture) now() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.begun...)
}

// admitted is a message in the hands of something that admits messages.
type admitted struct {
	ctx    context.Context //nolint:containedctx // a consumer carries it along, too
	msg    processor.Message
	left   func()
	result chan error
	layer  processor.Processor
}

func (f *fixture) admit(ctx context.Context, body string) *admitted {
	a := &admitted{msg: processortest.NewMessage(processortest.Body(body)), result: make(chan error, 1), layer: f.layer}
	a.ctx, a.left = stack.Admitters(f.layer)[0].Admit(ctx, a.msg)
	return a
}

// process lets the message come to the layer.
func (a *admitted) process() { go func() { a.result <- a.layer.Process(a.ctx, a.msg) }() }

func TestTurnsFollowTheAdmissionAndEndWhenTheMessageHasLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		first, second, third := f.admit(t.Context(), "k:1"), f.admit(t.Context(), "k:2"), f.admit(t.Context(), "k:3")
		third.process()
		second.process()
		require.Empty(t, f.now(), "the first has not come yet")
		first.process()
		require.NoError(t, <-first.result)
		require.Equal(t, []string{"k:1"}, f.now(), "the first is not settled yet")
		first.left()
		require.Equal(t, []string{"k:1", "k:2"}, f.now())
		second.left()
		require.Equal(t, []string{"k:1", "k:2", "k:3"}, f.now())
		third.left()
		require.Zero(t, ordered.Lines(f.layer))
		require.NoError(t, errors.Join(<-second.result, <-third.result))
	})
}

func TestOtherKeysAndNoKeyGoOnMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture("k:1", ":1", ":2")
		for _, body := range []string{"k:1", "k:2", "other:1", "other:2", ":1", ":2"} {
			m := f.admit(t.Context(), body)
			go func() {
				defer m.left()
				_ = m.layer.Process(m.ctx, m.msg)
			}()
		}
		require.ElementsMatch(t, []string{"k:1", "other:1", "other:2", ":1", ":2"}, f.now())
		require.Equal(t, 1, ordered.Lines(f.layer))
		for _, hold := range f.hold {
			close(hold)
		}
		require.Contains(t, f.now(), "k:2")
	})
}

func TestMessageThatWasKeptAwayEndsItsTurnWhenItLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		away, next := f.admit(t.Context(), "k:1"), f.admit(t.Context(), "k:2")
		next.process()
		require.Empty(t, f.now())
		away.left()
		require.Equal(t, []string{"k:2"}, f.now())
		next.left()
		require.Zero(t, ordered.Lines(f.layer))
	})
}

// The one behind overtook the one in front, which was still in hand.
func TestWaitCutShortIsReleasedAndLetsNobodyOvertake(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"k:3", "other:1"} { // with and without one behind
		synctest.Test(t, func(t *testing.T) {
			f := newFixture("k:1")
			first := f.admit(t.Context(), "k:1")
			ctx, cancel := context.WithCancel(t.Context())
			second, third := f.admit(ctx, "k:2"), f.admit(t.Context(), last)
			for _, m := range []*admitted{first, second, third} {
				m.process()
			}
			synctest.Wait()
			cancel()
			err := <-second.result
			require.Equal(t, processor.Released, processor.Decide(err).Action)
			require.ErrorIs(t, err, context.Canceled)
			second.left()
			require.NotContains(t, f.now(), "k:3")

			fourth := f.admit(t.Context(), "k:4")
			fourth.process()
			require.NotContains(t, f.now(), "k:4")
			close(f.hold["k:1"])
			first.left()
			synctest.Wait()
			third.left()
			require.Equal(t, "k:4", f.now()[2])
			fourth.left()
			require.NotContains(t, f.now(), "k:2")
			require.Zero(t, ordered.Lines(f.layer))
		})
	}
}

// At the end of a run the context of all ends, and the first in line leaves because of it.
func TestTurnThatComesWithTheEndOfTheContextIsNotBegun(t *testing.T) {
	t.Parallel()
	for range 20 { // a select that is free to choose
		synctest.Test(t, func(t *testing.T) {
			f := newFixture("k:1")
			ctx, cancel := context.WithCancel(t.Context())
			first, second := f.admit(ctx, "k:1"), f.admit(ctx, "k:2")
			cancel()
			first.left()
			second.process()
			require.Equal(t, processor.Released, processor.Decide(<-second.result).Action)
			require.Empty(t, f.now())
			second.left()
		})
	}
}

// The second call took the line of those behind away, so that a new one began at once.
func TestLeavingTwiceIsLeavingOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		first, second := f.admit(t.Context(), "k:1"), f.admit(t.Context(), "k:2")
		second.process()
		first.left()
		first.left()
		third := f.admit(t.Context(), "k:3")
		third.process()
		require.Equal(t, []string{"k:2"}, f.now())
		second.left()
		second.left()
		require.Equal(t, []string{"k:2", "k:3"}, f.now())
		third.left()
		third.left()
		require.Zero(t, ordered.Lines(f.layer))
	})
}

func TestWithoutAdmissionTheOrderIsThatOfArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture("k:0")
		var want []string
		for i := range 10 {
			body := fmt.Sprintf("k:%d", i)
			want = append(want, body)
			go func() { _ = f.layer.Process(t.Context(), processortest.NewMessage(processortest.Body(body))) }()
			require.Equal(t, []string{"k:0"}, f.now())
		}
		close(f.hold["k:0"])
		require.Equal(t, want, f.now())
		require.Zero(t, ordered.Lines(f.layer))
	})
}

func TestWithoutAdmissionAPanicOrGoexitEndsTheTurn(t *testing.T) {
	t.Parallel()
	for _, end := range []func(){func() { panic("boom") }, runtime.Goexit} {
		layer := ordered.New(byKey)(processor.ProcessorFunc(func(context.Context, processor.Message) error { end(); return nil }))
		for range 2 { // the second would wait for ever
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer func() { _ = recover() }()
				_ = layer.Process(t.Context(), processortest.NewMessage(processortest.Body("k")))
			}()
			<-ended
		}
		require.Zero(t, ordered.Lines(layer))
	}
}

// It waited for itself.
func TestReplacedContextIsNotADeadlock(t *testing.T) {
	t.Parallel()
	f := newFixture()
	m := f.admit(t.Context(), "k:1")
	err := f.layer.Process(t.Context(), m.msg)
	require.Equal(t, processor.Released, processor.Decide(err).Action)
	require.ErrorContains(t, err, "admission")
	m.left()
	require.Empty(t, f.begun)
}

func TestKeyThatPanicsFailsItsMessageAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"text": "boom", "an error with a decision": processor.Drop(errMail)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var layer processor.Processor
			pub := &processortest.Publisher{}
			p, err := stack.New(ack.New(), retry.New(pub, "retry_%attempt%"), func(next processor.Processor) processor.Processor {
				layer = ordered.New(func(processor.Message) string { panic(value) })(next)
				return layer
			}).ThenFunc(func(context.Context, processor.Message) error { t.Error("processed without a key"); return nil })
			require.NoError(t, err)
			for _, admit := range []bool{false, true, true} {
				msg, ctx := processortest.NewMessage(), t.Context()
				if admit {
					ctx, _ = stack.Admitters(p)[0].Admit(ctx, msg) // and never leaves
				}
				require.NoError(t, p.Process(ctx, msg))
				require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements(), "a copy is out")
			}
			require.Len(t, pub.Published(), 3)
			require.Zero(t, ordered.Lines(layer))
			require.ErrorContains(t, layer.Process(context.Background(), processortest.NewMessage()), "admission")
		})
	}
}

func TestTwoOrdersInOneStackDoNotMix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture("a:1")
		p, err := stack.New(ordered.New(func(processor.Message) string { return "one" }), ordered.New(byKey)).ThenFunc(f.handle)
		require.NoError(t, err)
		admitters := stack.Admitters(p)
		require.Len(t, admitters, 2)
		var lefts []func()
		for _, body := range []string{"a:1", "b:1", "a:2"} {
			msg := processortest.NewMessage(processortest.Body(body))
			ctx, left := admitters[0].Admit(t.Context(), msg)
			ctx, leftToo := admitters[1].Admit(ctx, msg)
			lefts = append(lefts, left, leftToo)
			go func() { _ = p.Process(ctx, msg) }()
		}
		require.Equal(t, []string{"a:1"}, f.now())
		close(f.hold["a:1"])
		require.Equal(t, []string{"a:1"}, f.now())
		lefts[1]()
		require.Equal(t, []string{"a:1"}, f.now(), "the outer order holds still")
		lefts[0]()
		require.Equal(t, []string{"a:1", "b:1"}, f.now())
		for _, left := range lefts[2:] {
			left()
		}
		require.Equal(t, []string{"a:1", "b:1", "a:2"}, f.now())
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	byHeader := ordered.ByHeader("customer")
	require.Empty(t, byHeader(processortest.NewMessage()))
	for want, value := range map[string]any{"c1": "c1", "c2": []byte("c2"), "-7": int64(-7), "3": int32(3)} {
		require.Equal(t, want, byHeader(processortest.NewMessage(processortest.Header("customer", value))))
	}
	for _, value := range []any{nil, 1.5, true, []any{"c1"}, processor.Headers{"a": "c1"}} {
		require.Empty(t, byHeader(processortest.NewMessage(processortest.Header("customer", value))))
	}
	require.Equal(t, "mail.sent", ordered.ByRoutingKey(processortest.NewMessage(processortest.Origin(processor.Origin{RoutingKey: "mail.sent"}))))
}

// A header without a name was accepted, and ordered nothing.
func TestNilKeyShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for _, key := range []ordered.Key{nil, ordered.ByHeader("")} {
		_, err := stack.New(ordered.New(key)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, "ordered: the key function is nil")
		require.ErrorContains(t, err, "ByHeader")
	}
}

func TestStackRefusesWhatEndsATurnTooEarly(t *testing.T) {
	t.Parallel()
	for _, outer := range []processor.Middleware{instantretry.New(), timeout.New(time.Minute)} {
		_, err := stack.New(outer, ordered.New(byKey)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestLongKeysAreNotKept(t *testing.T) { //nolint:paralleltest // it measures the whole process
	layer := ordered.New(func(processor.Message) string { return strings.Repeat("x", 1<<20) })(nil)
	admit := stack.Admitters(layer)[0].Admit
	msg, before := processortest.NewMessage(), heap()
	var all []func()
	for range 64 {
		_, left := admit(t.Context(), msg)
		all = append(all, left)
	}
	require.Less(t, heap(), before+8<<20)
	for _, left := range all {
		left()
	}
}

// Who kept one message's context kept the tickets of all that came behind it.
func TestContextThatIsKeptKeepsNoOther(t *testing.T) { //nolint:paralleltest // it measures the whole process
	layer := ordered.New(byKey)(nil)
	admit := stack.Admitters(layer)[0].Admit
	msg, before := processortest.NewMessage(processortest.Body("k")), heap()
	kept, left := admit(t.Context(), msg)
	for range 100_000 {
		_, next := admit(t.Context(), msg)
		left()
		left = next
	}
	require.Less(t, heap(), before+2<<20)
	left()
	require.Zero(t, ordered.Lines(layer))
	runtime.KeepAlive(kept)
}

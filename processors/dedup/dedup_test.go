package dedup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/dedup"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

func newMemory() *dedup.Memory { return dedup.NewMemory(1000, time.Hour) }

// The messages of the suite have one id.
func TestConformance(t *testing.T) {
	var n atomic.Int64
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return dedup.New(newMemory(), dedup.Key(func(processor.Message) string { return strconv.FormatInt(n.Add(1), 10) }))
		},
		Allocates: true, // the id, the entry in flight, a context for each call of the store
	})
}

func TestConformanceOfMessagesWithoutID(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			return dedup.New(newMemory(), dedup.Key(func(processor.Message) string { return "" }))
		},
	})
}

var errMail = errors.New("mail server says no")

// handler counts its calls and returns a result set by the test.
type handler struct {
	calls atomic.Int64
	err   error
}

func (h *handler) handle(context.Context, processor.Message) error {
	h.calls.Add(1)
	return h.err
}

func build(t *testing.T, handle processor.ProcessorFunc, store dedup.Store, opts ...dedup.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(dedup.New(store, opts...)).Then(handle)
	require.NoError(t, err)
	return p
}

func message(id string) processor.Message {
	return processortest.NewMessage(processortest.Properties(processor.Properties{ID: id}))
}

func TestAMessageThatSucceededIsSkipped(t *testing.T) {
	t.Parallel()
	var h handler
	p := build(t, h.handle, newMemory())
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.EqualValues(t, 1, h.calls.Load())
	require.NoError(t, p.Process(t.Context(), message("b")))
	require.EqualValues(t, 2, h.calls.Load())
}

func TestTheStoreOutlivesThePipeline(t *testing.T) {
	t.Parallel()
	var h handler
	store := newMemory()
	require.NoError(t, build(t, h.handle, store).Process(t.Context(), message("a")))
	require.NoError(t, build(t, h.handle, store).Process(t.Context(), message("a")))
	require.EqualValues(t, 1, h.calls.Load())
}

// A failed message is redelivered, as itself or as a copy with its id, and must get in.
func TestOnlySuccessIsMarked(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errMail, processor.Reject(errMail), processor.Requeue(errMail), processor.Release(errMail),
		processor.Drop(errMail), processor.RetryAfter(errMail, 1), processor.Stop(errMail),
	} {
		h := handler{err: err}
		p := build(t, h.handle, newMemory())
		require.Equal(t, err, p.Process(t.Context(), message("a")))
		require.Equal(t, err, p.Process(t.Context(), message("a")))
		require.EqualValues(t, 2, h.calls.Load())
	}
}

func TestAMessageThatSucceededAndStopsIsSkipped(t *testing.T) {
	t.Parallel()
	h := handler{err: processor.ErrStop}
	p := build(t, h.handle, newMemory())
	require.Equal(t, processor.ErrStop, p.Process(t.Context(), message("a")))
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.EqualValues(t, 1, h.calls.Load())
}

func TestAMessageWhoseHandlerPanickedOrExitedIsProcessedAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic(errMail) }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls int
			p := build(t, func(context.Context, processor.Message) error {
				if calls++; calls == 1 {
					end()
				}
				return nil
			}, newMemory())
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { _ = recover() }()
				_ = p.Process(t.Context(), message("a"))
			})
			wg.Wait()
			require.NoError(t, p.Process(t.Context(), message("a")))
			require.Equal(t, 2, calls)
		})
	}
}

func TestMessagesWithoutIDAreProcessedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var h handler
	p := build(t, h.handle, newMemory(), dedup.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	for range 3 {
		require.NoError(t, p.Process(t.Context(), message("")))
	}
	require.EqualValues(t, 3, h.calls.Load())
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `level=WARN msg="messages without an id`)
}

func TestSkippingIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := build(t, (&handler{}).handle, newMemory(), dedup.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.Empty(t, out.String())
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.Contains(t, out.String(), `level=INFO msg="message skipped, it was processed before" queue=test-queue message_id=a`)
	require.Contains(t, out.String(), "mark=")
}

// start begins messages with the same id, one after the other.
func start(ctx context.Context, p *stack.Pipeline, n int) (results chan error) {
	results = make(chan error, n)
	for range n {
		go func() { results <- p.Process(ctx, message("a")) }()
		synctest.Wait()
	}
	return results
}

func TestACopyWaitsForTheFirstAndIsSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		outcome := make(chan error)
		p := build(t, func(context.Context, processor.Message) error { calls.Add(1); return <-outcome }, newMemory())
		results := start(t.Context(), p, 3)
		require.EqualValues(t, 1, calls.Load())
		require.Empty(t, results)
		outcome <- nil
		for range 3 {
			require.NoError(t, <-results)
		}
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestACopyIsProcessedIfTheFirstFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		outcome := make(chan error)
		p := build(t, func(context.Context, processor.Message) error { calls.Add(1); return <-outcome }, newMemory())
		results := start(t.Context(), p, 3)
		outcome <- errMail
		require.Equal(t, errMail, <-results)
		synctest.Wait()
		require.EqualValues(t, 2, calls.Load(), "one of the two")
		require.Empty(t, results)
		outcome <- nil
		require.NoError(t, <-results)
		require.NoError(t, <-results)
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestACopyThatWaitsGoesBackUntouchedWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		outcome := make(chan error)
		p := build(t, func(context.Context, processor.Message) error { return <-outcome }, newMemory())
		first := start(t.Context(), p, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		second := start(ctx, p, 1)
		cancel(processor.ErrShutdown)
		err := <-second
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(err))
		outcome <- nil
		require.NoError(t, <-first)
	})
}

// Two hundred copies of each of ten messages, on 16 workers, of which every third try fails.
func TestEachMessageSucceedsOnceAmongMany(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	var done [10]atomic.Int64
	p := build(t, func(_ context.Context, msg processor.Message) error {
		if tries.Add(1)%3 == 0 {
			return errMail
		}
		i, err := strconv.Atoi(msg.Properties().ID)
		done[i].Add(1)
		return err
	}, newMemory())
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 200 * len(done) / 16 {
				_ = p.Process(t.Context(), message(strconv.Itoa((i+w)%len(done))))
			}
		})
	}
	wg.Wait()
	for i := range done {
		require.EqualValues(t, 1, done[i].Load())
	}
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	var typedNil *dedup.Memory
	for want, m := range map[string]processor.Middleware{
		"it is nil":                 dedup.New(nil),
		"dedup: the store, such as": dedup.New(typedNil),
		"NewMemory(0, 1h0m0s)":      dedup.New(dedup.NewMemory(0, time.Hour)),
		"NewMemory(1, 0s)":          dedup.New(dedup.NewMemory(1, 0)),
		"NewMemory(0, 0s)":          dedup.New(&dedup.Memory{}), // it panicked after the handler's success
		"NewMemory(-1, 1s)":         dedup.New(struct{ *dedup.Memory }{dedup.NewMemory(-1, time.Second)}),
		"option 1 is nil":           dedup.New(newMemory(), nil),
		"StoreTimeout is 0s":        dedup.New(newMemory(), dedup.StoreTimeout(0)),
		"StoreTimeout is -1s":       dedup.New(newMemory(), dedup.StoreTimeout(-time.Second)),
	} {
		_, err := stack.New(m).Then(processor.ProcessorFunc((&handler{}).handle))
		require.ErrorContains(t, err, want)
	}
}

func TestItDescribesItself(t *testing.T) {
	t.Parallel()
	p := build(t, (&handler{}).handle, newMemory())
	require.Equal(t, stack.LayerDescription{
		Name: "dedup", Role: stack.Marks,
		Settings: []stack.Setting{
			{Name: "store", Value: "*dedup.Memory"},
			{Name: "key", Value: "app id, type and message id"},
			{Name: "scope", Value: "queue"},
			{Name: "store timeout", Value: "10s"},
		},
	}, p.Describe().Layers[0])
	p = build(t, (&handler{}).handle, newMemory(), dedup.Scope("mail"), dedup.Key(func(processor.Message) string { return "" }))
	require.Contains(t, p.Describe().Layers[0].Settings, stack.Setting{Name: "key", Value: "by a function"})
	require.Contains(t, p.Describe().Layers[0].Settings, stack.Setting{Name: "scope", Value: "mail"})
}

func ExampleNew() {
	store := dedup.NewMemory(100_000, 24*time.Hour)
	handler := func(_ context.Context, msg processor.Message) error {
		fmt.Println("processing", msg.Properties().ID)
		return nil
	}
	quiet := dedup.Logger(slog.New(slog.DiscardHandler))
	pipeline, err := stack.New(dedup.New(store, quiet)).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	for _, id := range []string{"mail-1", "mail-2", "mail-1"} {
		msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: id}))
		fmt.Println(pipeline.Process(context.Background(), msg))
	}
	// Output:
	// processing mail-1
	// <nil>
	// processing mail-2
	// <nil>
	// <nil>
}

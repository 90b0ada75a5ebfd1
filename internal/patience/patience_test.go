package patience_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/patience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errMail = errors.New("mail server says no")

func never(t *testing.T) func(error) {
	t.Helper()
	return func(error) { t.Error("it was not late") }
}

func TestWhatReturnsIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func() error { time.Sleep(time.Hour); return errMail }
		require.Equal(t, errMail, patience.Until(t.Context(), time.Second, slow, never(t)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		heeds := func() error { <-ctx.Done(); return ctx.Err() }
		require.Equal(t, context.DeadlineExceeded, patience.Until(ctx, time.Second, heeds, never(t)))
		require.NoError(t, patience.Until(ctx, time.Second, func() error { return nil }, never(t)), "also if it has ended before")
	})
}

func TestWhatIgnoresTheEndIsAbandonedAndToldOfLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		told := make(chan error, 1)
		err := patience.Until(ctx, time.Second, func() error { time.Sleep(time.Hour); return errMail }, func(err error) { told <- err })
		require.ErrorIs(t, err, patience.ErrIgnored)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.Equal(t, errMail, <-told)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

func TestAPanicAndAGoexitAreErrors(t *testing.T) {
	t.Parallel()
	require.Error(t, patience.Until(t.Context(), time.Second, func() error { panic("a bug") }, never(t)))
	require.Error(t, patience.Until(t.Context(), time.Second, func() error { runtime.Goexit(); return nil }, never(t)))
}

func TestWithinReturnsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		require.NoError(t, patience.Within(over, 2*time.Second, func(ctx context.Context) error { return ctx.Err() }))
		require.Equal(t, context.DeadlineExceeded, patience.Within(over, 2*time.Second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		require.Less(t, time.Since(start), 2*time.Second)
		start = time.Now()
		err := patience.Within(over, 2*time.Second, func(context.Context) error { time.Sleep(time.Hour); return nil })
		require.ErrorIs(t, err, patience.ErrIgnored)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
		time.Sleep(time.Hour)
	})
}

// records counts what it handles, and blocks while it is held.
type records struct {
	slog.Handler
	held    chan struct{}
	handled *atomic.Int64
	panics  bool
}

func (r records) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (r records) Handle(context.Context, slog.Record) error {
	if r.panics {
		panic("a bug")
	}
	<-r.held
	r.handled.Add(1)
	return nil
}

func (r records) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r records) WithGroup(string) slog.Handler      { return r }

func TestALogHandlerThatBlocksHoldsUpItsCallerOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := records{held: make(chan struct{}), handled: &atomic.Int64{}}
		log := patience.Logger(slog.New(r), time.Second)
		start := time.Now()
		for range 5 {
			log.Info("one")
			log.With("a", 1).WithGroup("g").Warn("two")
		}
		require.Equal(t, time.Second, time.Since(start))
		close(r.held)
		synctest.Wait()
		log.Info("three")
		log.Debug("not enabled")
		require.EqualValues(t, 2, r.handled.Load(), "the first, and the first after that")
	})
}

func TestALogHandlerThatPanicsLosesItsRecordOnly(t *testing.T) {
	t.Parallel()
	log := patience.Logger(slog.New(records{panics: true}), time.Second)
	log.Info("one")
	log.Info("two")
}

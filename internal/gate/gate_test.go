package gate_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subscription notes what it is told.
type subscription struct{ told []string }

func (s *subscription) Pause() <-chan struct{} { s.told = append(s.told, "pause"); return nil }
func (s *subscription) Resume()                { s.told = append(s.told, "resume") }

func TestTheLastResumeCounts(t *testing.T) {
	t.Parallel()
	g, s := gate.New(slog.New(slog.DiscardHandler)), &subscription{}
	g.Attach(s)
	first, second := g.Pause(), g.Pause()
	require.True(t, g.Paused())
	first()
	first()
	require.True(t, g.Paused(), "a second call does nothing")
	second()
	require.False(t, g.Paused())
	require.Equal(t, []string{"pause", "resume"}, s.told)
	require.True(t, g.Await(t.Context()))
	g.Close()
	g.Close()
	<-g.Shut()
	require.Equal(t, []string{"pause", "resume", "pause"}, s.told)
	ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.False(t, g.Await(ended))
}

func TestASubscriptionThatComesDuringAPauseBeginsPaused(t *testing.T) {
	t.Parallel()
	g, s := gate.New(slog.New(slog.DiscardHandler)), &subscription{}
	resume := g.Pause()
	g.Attach(s)
	resume()
	require.Equal(t, []string{"pause", "resume"}, s.told)
}

// asking is a log handler that asks the gate.
type asking struct {
	slog.Handler
	gate func() *gate.Gate
}

func (a asking) Enabled(context.Context, slog.Level) bool  { return true }
func (a asking) Handle(context.Context, slog.Record) error { a.gate().Paused(); return nil }

func TestNoLockIsHeldWhileItLogs(t *testing.T) {
	t.Parallel()
	var g *gate.Gate
	g = gate.New(slog.New(asking{gate: func() *gate.Gate { return g }}))
	g.Attach(&subscription{})
	g.Pause()()
	resume := g.Pause()
	g.Attach(&subscription{})
	resume()
}

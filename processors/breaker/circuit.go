package breaker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// State is the state of a breaker.
type State string

// The states.
const (
	Closed   State = "closed"    // messages pass
	Open     State = "open"      // no message passes
	HalfOpen State = "half-open" // one message passes, as a probe
)

// circuit is the circuit of one downstream.
//
// gobreaker counts and decides, and only it changes the phase. The handler does not run inside its
// Execute, which would take a Goexit in a probe for a probe without end and let nothing through any
// more, and with GODEBUG=panicnil=1 would take a panic(nil) for a success. The two-step form
// allocates. So a message is counted when it has ended.
type circuit struct {
	config
	gobreaker *gobreaker.CircuitBreaker[struct{}]
	refusal   error
	phase     atomic.Pointer[phase]

	// mu is taken while gobreaker's lock is held, so never the other way round.
	mu      sync.Mutex
	changes []State // not yet reported
	holds   map[*hold]struct{}
	timer   *time.Timer // ends an open phase, for paused runs
	busy    bool        // a goroutine is in catchUp
}

// phase is the time from one change of state to the next. A message counts in the phase in which it
// began, and not at all once that has ended.
type phase struct {
	state State
	until time.Time     // end of an open phase
	probe chan struct{} // full during a probe
}

func newPhase(s State, until time.Time) *phase {
	return &phase{state: s, until: until, probe: make(chan struct{}, 1)}
}

// enter waits until no probe is in progress. Unless it returns an error, leave must be called. The
// phase may have ended meanwhile: every goroutine that waits then enters and leaves again.
func (p *phase) enter(ctx context.Context) error {
	select {
	case p.probe <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (p *phase) leave() { <-p.probe }

func newCircuit(c config) *circuit {
	b := &circuit{
		config:  c,
		refusal: processor.Release(fmt.Errorf("breaker: %w: %s is failing", ErrOpen, c.downstream)),
		holds:   map[*hold]struct{}{},
	}
	b.phase.Store(newPhase(Closed, time.Time{}))
	b.gobreaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:       c.openFor,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return int64(n.ConsecutiveFailures) >= int64(c.failures) },
		IsExcluded:    func(err error) bool { return err == errNeutral }, //nolint:errorlint // the very value
		OnStateChange: b.changed,
	})
	return b
}

// count counts a message of p. If p ends between the check and the count, within nanoseconds, the
// count is refused, unless the open phase ends in that time too.
func (b *circuit) count(p *phase, verdict error) {
	if b.phase.Load() == p {
		_, _ = b.gobreaker.Execute(func() (struct{}, error) { return struct{}{}, verdict })
	}
	if b.phase.Load() != p {
		b.catchUp()
	}
}

// ask reports whether p, which is open, has ended. It ends only when asked.
func (b *circuit) ask(p *phase) bool {
	b.gobreaker.State()
	if b.phase.Load() == p {
		return false
	}
	b.catchUp()
	return true
}

// changed begins a phase. gobreaker calls it with its lock held, so it calls no other code.
func (b *circuit) changed(_ string, _, to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := newPhase(states[to], time.Now().Add(b.openFor))
	b.phase.Store(p)
	b.changes = append(b.changes, p.state)
	b.arm()
}

var states = map[gobreaker.State]State{
	gobreaker.StateClosed:   Closed,
	gobreaker.StateOpen:     Open,
	gobreaker.StateHalfOpen: HalfOpen,
}

// tell logs a change and calls [OnStateChange].
func (b *circuit) tell(to State) {
	log := logattr.Or(b.log).With(slog.String("downstream", b.downstream))
	switch to {
	case Open:
		log.Warn("breaker opened, no messages are taken", slog.Duration("open_for", b.openFor))
	case HalfOpen:
		log.Info("breaker half-open, the next message is a probe")
	case Closed:
		log.Info("breaker closed")
	}
	if b.notify == nil {
		return
	}
	if err := callback.Call("breaker: the function given to OnStateChange", func() { b.notify(to) }); err != nil {
		log.Error("a change of state was not told", logattr.Err(err))
	}
}

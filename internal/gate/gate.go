// Package gate pauses a subscription while at least one of several layers wants it paused.
package gate

import (
	"context"
	"log/slog"
	"sync"
)

// Subscription is the part of a broker's that a gate needs. Neither method waits.
type Subscription interface {
	Pause() (back <-chan struct{})
	Resume()
}

// Gate pauses the subscription while at least one pause is on. Make it with [New].
type Gate struct {
	mu     sync.Mutex
	pauses int
	closed bool
	shut   chan struct{} // closed while a pause is on
	open   chan struct{} // closed while none is on
	sub    Subscription  // nil before there is one
	log    *slog.Logger
}

// New returns an open gate without a subscription. log is called with no lock held.
func New(log *slog.Logger) *Gate {
	g := &Gate{shut: make(chan struct{}), open: make(chan struct{}), log: log}
	close(g.open)
	return g
}

// Pause pauses before it returns. The second call of resume does nothing.
func (g *Gate) Pause() (resume func()) {
	g.mu.Lock()
	g.hold()
	begins := g.pauses == 1 && g.sub != nil
	g.mu.Unlock()
	if begins {
		g.log.Info("consuming is paused")
	}
	var once sync.Once
	return func() { once.Do(g.resume) }
}

func (g *Gate) resume() {
	if g.release() {
		g.log.Info("consuming goes on")
	}
}

// release ends one pause. It reports whether a subscription goes on.
func (g *Gate) release() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses--; g.pauses > 0 {
		return false
	}
	close(g.open)
	g.shut = make(chan struct{})
	if g.sub == nil {
		return false
	}
	g.sub.Resume()
	return true
}

// Close pauses permanently.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.hold()
	}
}

// hold begins one more pause. It is called with mu held.
func (g *Gate) hold() {
	if g.pauses++; g.pauses > 1 {
		return
	}
	close(g.shut)
	g.open = make(chan struct{})
	if g.sub != nil {
		g.sub.Pause()
	}
}

// Attach gives the gate the subscription, which begins paused if a pause is on.
func (g *Gate) Attach(sub Subscription) {
	g.mu.Lock()
	g.sub = sub
	paused := g.pauses > 0
	if paused {
		g.sub.Pause()
	}
	g.mu.Unlock()
	if paused {
		g.log.Info("consuming is paused")
	}
}

// Await waits until no pause is on, and returns false if ctx ended first.
func (g *Gate) Await(ctx context.Context) bool {
	select {
	case <-g.isOpen():
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (g *Gate) isOpen() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// Shut returns a channel that is closed while a pause is on, or once one begins.
func (g *Gate) Shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// Paused reports whether a pause is on.
func (g *Gate) Paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pauses > 0
}

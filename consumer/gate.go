package consumer

import (
	"context"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/broker"
)

// gate pauses the subscription while at least one pause is on.
type gate struct {
	mu     sync.Mutex
	pauses int
	closed bool
	shut   chan struct{}       // closed while a pause is on
	open   chan struct{}       // closed while none is on
	sub    broker.Subscription // nil before there is one
	log    *slog.Logger
}

func newGate(log *slog.Logger) *gate {
	g := &gate{shut: make(chan struct{}), open: make(chan struct{}), log: log}
	close(g.open)
	return g
}

func (g *gate) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold(); g.pauses == 1 && g.sub != nil {
		g.log.Info("consuming is paused")
	}
	var once sync.Once
	return func() { once.Do(g.resume) }
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses--; g.pauses > 0 {
		return
	}
	close(g.open)
	g.shut = make(chan struct{})
	if g.sub != nil {
		g.sub.Resume()
		g.log.Info("consuming goes on")
	}
}

// close pauses permanently.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.hold()
	}
}

// hold begins one more pause. It is called with mu held.
func (g *gate) hold() {
	if g.pauses++; g.pauses > 1 {
		return
	}
	close(g.shut)
	g.open = make(chan struct{})
	if g.sub != nil {
		g.sub.Pause()
	}
}

// attach gives the gate the subscription, which begins paused if a pause is on.
func (g *gate) attach(sub broker.Subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sub = sub
	if g.pauses > 0 {
		g.sub.Pause()
		g.log.Info("consuming is paused")
	}
}

// await waits until no pause is on, and returns false if ctx ended first.
func (g *gate) await(ctx context.Context) bool {
	select {
	case <-g.isOpen():
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (g *gate) isOpen() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// isShut returns a channel that is closed while a pause is on, or once one begins.
func (g *gate) isShut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *gate) paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pauses > 0
}

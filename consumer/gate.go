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
	open   chan struct{}       // closed when the last pause ends; nil if none is on
	sub    broker.Subscription // nil before there is one
	log    *slog.Logger
}

func (g *gate) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses++; g.pauses == 1 {
		g.open = make(chan struct{})
		g.shut()
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
	if g.sub != nil {
		g.sub.Resume()
		g.log.Info("consuming goes on")
	}
}

// close pauses for good.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.pauses++
		g.sub.Pause()
	}
}

// shut is called with mu held.
func (g *gate) shut() {
	if g.sub != nil {
		g.sub.Pause()
		g.log.Info("consuming is paused")
	}
}

// attach gives the gate the subscription, which begins paused if a pause is on.
func (g *gate) attach(sub broker.Subscription, log *slog.Logger) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sub, g.log = sub, log
	if g.pauses > 0 {
		g.shut()
	}
}

// await waits until no pause is on, and returns false if ctx ended first.
func (g *gate) await(ctx context.Context) bool {
	for g.paused() {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		select {
		case <-open:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

func (g *gate) paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pauses > 0
}

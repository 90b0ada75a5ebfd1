package consumer

import "sync"

// gate is shut while at least one pause is on.
type gate struct {
	mu     sync.Mutex
	pauses int
	shut   chan struct{} // closed while the gate is shut
	open   chan struct{} // closed while it is open
}

func newGate() *gate {
	g := &gate{shut: make(chan struct{}), open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses++; g.pauses == 1 {
		close(g.shut)
		g.open = make(chan struct{})
	}
	var once sync.Once
	return func() { once.Do(g.resume) }
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses--; g.pauses == 0 {
		close(g.open)
		g.shut = make(chan struct{})
	}
}

// isShut is closed when the gate is shut, or has been since the call.
func (g *gate) isShut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// isOpen is closed when the gate is open, or has been since the call.
func (g *gate) isOpen() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pauses > 0
}

package dedup

import "sync"

// hands are the messages that are being processed, by their id.
type hands struct {
	mu sync.Mutex
	of map[string]*hand
}

// hand is one of them.
type hand struct {
	over      chan struct{} // closed when it has left
	processed bool          // to be read after that
}

func newHands() *hands { return &hands{of: map[string]*hand{}} }

// take returns what has id in hand, and whether that is the caller, who then owes a call
// of leave.
func (h *hands) take(id string) (held *hand, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held, ok := h.of[id]; ok {
		return held, false
	}
	held = &hand{over: make(chan struct{})}
	h.of[id] = held
	return held, true
}

// leave lets the copies go on.
func (h *hands) leave(id string, held *hand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.of, id)
	close(held.over)
}

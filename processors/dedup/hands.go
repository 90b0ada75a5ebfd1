package dedup

import "sync"

// hands are the messages in flight, by their id.
type hands struct {
	mu sync.Mutex
	of map[string]*hand
}

// hand is one message in flight.
type hand struct {
	over      chan struct{} // closed by leave
	processed bool          // read only after that
}

func newHands() *hands { return &hands{of: map[string]*hand{}} }

// take returns the message with id in flight. first is true if it is the caller's, who must then
// call leave.
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

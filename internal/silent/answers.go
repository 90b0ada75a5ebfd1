package silent

import (
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
)

// Answers are the latest that were answered, of two destinations: one of them is another than any given one. The zero value has
// none. It may be used by many goroutines at once.
type Answers struct {
	mu    sync.Mutex
	heard [2]hearing
}

// hearing is when something was begun that was answered.
type hearing struct {
	to    processor.Destination
	begun time.Time
}

// Note notes that a destination has answered what was begun at a time.
func (a *Answers) Note(to processor.Destination, begun time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case begun.Before(a.heard[0].begun) && to != a.heard[0].to:
		if begun.After(a.heard[1].begun) {
			a.heard[1] = hearing{to, begun}
		}
	case to != a.heard[0].to:
		a.heard = [2]hearing{{to, begun}, a.heard[0]}
	case begun.After(a.heard[0].begun):
		a.heard[0].begun = begun
	}
}

// HeardBesides reports whether another destination has answered what was begun after since.
func (a *Answers) HeardBesides(to processor.Destination, since time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.heard {
		if h.to != to && h.begun.After(since) {
			return true
		}
	}
	return false
}

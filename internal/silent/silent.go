// Package silent knows which destinations do not answer, while others do.
package silent

import (
	"cmp"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// Destinations are those that do not answer while others do. Each gets one message at a time, less and less often, until there is
// an answer. The zero value has none. It may be used by many goroutines at once.
//
// A publisher may say of such a destination what it says of a broker that takes nothing at all: [processor.ErrBlocked], or that its
// context has ended. The answers to others tell the two apart.
type Destinations struct {
	Longest time.Duration // for which one gets no message; 0 is a minute

	mu    sync.Mutex
	of    map[processor.Destination]*silence
	heard [2]hearing // the latest that were answered, of two destinations
}

// How long a destination gets no message after one that was not answered.
const (
	shortest = time.Second
	longest  = time.Minute
)

type silence struct {
	tries int       // without an answer
	due   time.Time // when it gets the next message
	asked bool      // a message is in flight
}

// hearing is when something was begun that was answered.
type hearing struct {
	to    processor.Destination
	begun time.Time
}

// forgotten is how long nobody has asked a destination before it is not known any more.
const forgotten = 10 * time.Minute

// Verdict is what becomes of a message to a destination.
type Verdict uint8

// The verdicts.
const (
	Free  Verdict = iota // it may be sent
	Probe                // one message may be sent
	Asked                // one is in flight: its answer decides
	Later                // none may be sent yet
)

// Any reports whether there are any.
func (s *Destinations) Any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.of) > 0
}

// Look returns what may be sent to a destination, and with Later when.
func (s *Destinations) Look(to processor.Destination) (v Verdict, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look(to)
}

func (s *Destinations) look(to processor.Destination) (v Verdict, due time.Time) {
	l := s.of[to]
	switch {
	case l == nil:
		return Free, due
	case l.asked:
		return Asked, due
	case time.Now().Before(l.due):
		return Later, l.due
	}
	return Probe, due
}

// Ask is Look for who then sends. With Free and Probe, Answered, Forget, Spare or Add has to follow.
func (s *Destinations) Ask(to processor.Destination) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _ := s.look(to)
	if v == Probe {
		s.of[to].asked = true
	}
	return v
}

// Answered notes that a destination has answered what was begun at a time.
func (s *Destinations) Answered(to processor.Destination, begun time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, to)
	switch {
	case begun.Before(s.heard[0].begun) && to != s.heard[0].to:
		if begun.After(s.heard[1].begun) {
			s.heard[1] = hearing{to, begun}
		}
	case to != s.heard[0].to:
		s.heard = [2]hearing{{to, begun}, s.heard[0]}
	case begun.After(s.heard[0].begun):
		s.heard[0].begun = begun
	}
}

// HeardBesides reports whether another destination has answered what was begun after since.
func (s *Destinations) HeardBesides(to processor.Destination, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heard {
		if h.to != to && h.begun.After(since) {
			return true
		}
	}
	return false
}

// Forget ends the silence of a destination about which nothing is known any more.
func (s *Destinations) Forget(to processor.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, to)
}

// Spare is for a try that has brought nothing, neither an answer nor the certainty that there is none.
func (s *Destinations) Spare(to processor.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.of[to]; l != nil {
		l.asked = false
	}
}

// Add notes that a destination has not answered, and returns when it may be tried again.
func (s *Destinations) Add(to processor.Destination) (due time.Time, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for other, l := range s.of {
		if !l.asked && now.Sub(l.due) > forgotten {
			delete(s.of, other)
		}
	}
	if s.of == nil {
		s.of = map[processor.Destination]*silence{}
	}
	l := s.of[to]
	if first = l == nil; first {
		l = &silence{}
		s.of[to] = l
	}
	if l.asked || first || !now.Before(l.due) { // otherwise another worker has noted it just now
		l.tries++
		l.due = now.Add(pacing.Doubling(shortest, cmp.Or(s.Longest, longest), l.tries))
	}
	l.asked = false
	return l.due, first
}

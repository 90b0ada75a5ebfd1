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
// an answer, or nobody has asked for a while. The zero value has none. It may be used by many goroutines at once.
//
// A publisher may say of such a destination what it says of a broker that takes nothing at all: [processor.ErrBlocked], or that its
// context has ended. The answers to others tell the two apart.
type Destinations struct {
	Longest time.Duration // for which one gets no message; 0 is a minute
	Over    func(Silence) // is called at the end of each silence; nil is nothing

	Answers

	mu     sync.Mutex
	of     map[processor.Destination]*silence
	rows   rows
	ended  []Silence // of which Over has not been told
	pruned time.Time
}

// How long a destination gets no message after one that was not answered.
const (
	shortest = time.Second
	longest  = time.Minute
)

// past is how long a message may have been due to a silent destination without being sent before nothing is known of that any more.
const past = time.Minute

// Silence is what is told of one that is over.
type Silence struct {
	To       processor.Destination
	Dropped  int  // messages given up; see [Destinations.Drop]
	Answered bool // otherwise it is forgotten
}

type silence struct {
	tries   int           // without an answer
	due     time.Time     // when it gets the next message
	asked   chan struct{} // a message is in flight, until it is closed; nil is none
	dropped int
}

// land notes that the message in flight has ended.
func (l *silence) land() {
	if l.asked != nil {
		close(l.asked)
		l.asked = nil
	}
}

func (l *silence) isPast(now time.Time) bool { return l.asked == nil && now.Sub(l.due) > past }

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
	defer s.unlock()
	s.prune()
	return len(s.of) > 0
}

// Look returns what may be sent to a destination, and with Later when.
func (s *Destinations) Look(to processor.Destination) (v Verdict, due time.Time) {
	s.mu.Lock()
	defer s.unlock()
	return s.look(to)
}

func (s *Destinations) look(to processor.Destination) (v Verdict, due time.Time) {
	l, now := s.of[to], time.Now()
	switch {
	case l == nil:
		return Free, due
	case l.isPast(now):
		s.end(to, false)
		return Free, due
	case l.asked != nil:
		return Asked, due
	case now.Before(l.due):
		return Later, l.due
	}
	return Probe, due
}

// Ask is Look for who then sends. With Probe, Answered, Forget, Spare or Add has to follow.
func (s *Destinations) Ask(to processor.Destination) Verdict {
	s.mu.Lock()
	defer s.unlock()
	v, _ := s.look(to)
	if v == Probe {
		s.of[to].asked = make(chan struct{})
	}
	return v
}

// closed is for who waits for nothing.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Landed returns a channel that is closed once no message is in flight of which Asked has told.
func (s *Destinations) Landed(to processor.Destination) <-chan struct{} {
	s.mu.Lock()
	defer s.unlock()
	if l := s.of[to]; l != nil && l.asked != nil {
		return l.asked
	}
	return closed
}

// Answered notes that a destination has answered what was begun at a time.
func (s *Destinations) Answered(to processor.Destination, begun time.Time) {
	s.Note(to, begun)
	s.mu.Lock()
	defer s.unlock()
	delete(s.rows, to)
	s.end(to, true)
	s.prune()
}

// Unanswered notes that a destination has not answered what was begun at a time. It returns when the first message of those in a row
// was begun that it has not answered since its silence was last noted: it is silent if another has answered what was begun later.
func (s *Destinations) Unanswered(to processor.Destination, begun time.Time) (since time.Time) {
	s.mu.Lock()
	defer s.unlock()
	if s.rows == nil {
		s.rows = rows{}
	}
	return s.rows.extend(to, begun)
}

// Forget ends the silence of a destination about which nothing is known any more.
func (s *Destinations) Forget(to processor.Destination) {
	s.mu.Lock()
	defer s.unlock()
	s.end(to, false)
}

// Spare is for a probe that has brought nothing, neither an answer nor the certainty that there is none.
func (s *Destinations) Spare(to processor.Destination) {
	s.mu.Lock()
	defer s.unlock()
	if l := s.of[to]; l != nil {
		l.land()
	}
}

// Add notes that a destination has not answered, and returns when it may be tried again.
func (s *Destinations) Add(to processor.Destination) (due time.Time, first bool) {
	s.mu.Lock()
	defer s.unlock()
	s.prune()
	if s.of == nil {
		s.of = map[processor.Destination]*silence{}
	}
	l, now := s.of[to], time.Now()
	if first = l == nil; first {
		l = &silence{}
		s.of[to] = l
	}
	if l.asked != nil || first || !now.Before(l.due) { // otherwise another worker has noted it just now
		l.tries++
		l.due = now.Add(pacing.Doubling(shortest, cmp.Or(s.Longest, longest), l.tries))
	}
	l.land()
	if s.rows != nil {
		s.rows.set(to, row{now, now}) // what others have answered before shows nothing about the next message
	}
	return l.due, first
}

// Drop counts a message that was given up because its destination is silent.
func (s *Destinations) Drop(to processor.Destination) {
	s.mu.Lock()
	defer s.unlock()
	if l := s.of[to]; l != nil {
		l.dropped++
	}
}

// end ends a silence. The caller holds mu.
func (s *Destinations) end(to processor.Destination, answered bool) {
	l := s.of[to]
	if l == nil {
		return
	}
	l.land()
	delete(s.of, to)
	if s.Over != nil {
		s.ended = append(s.ended, Silence{to, l.dropped, answered})
	}
}

// prune ends the silences that are past, each time some may be. The caller holds mu.
func (s *Destinations) prune() {
	if len(s.of) == 0 {
		return
	}
	now := time.Now()
	if now.Sub(s.pruned) < past {
		return
	}
	s.pruned = now
	for to, l := range s.of {
		if l.isPast(now) {
			s.end(to, false)
		}
	}
}

// unlock tells of the silences that have ended.
func (s *Destinations) unlock() {
	ended := s.ended
	s.ended = nil
	s.mu.Unlock()
	for _, e := range ended {
		s.Over(e)
	}
}

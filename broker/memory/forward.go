package memory

import (
	"log/slog"
	"slices"

	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
)

// forward sends dead messages to their targets, and those that die of that too. Messages that
// their queue keeps are tried again when something has changed that may free them.
//
// It ends. A message that dies again and again without a consumer is a cycle, which
// RabbitMQ drops or, with a rejection somewhere in its past, lets run without end. Here it
// may die once for each queue in one call; more often is a cycle, and it is dropped.
func (s *state) forward() {
	if len(s.letters) == 0 {
		return
	}
	s.round++
	kept := 0
	for i := 0; i < len(s.letters); i++ { // send may append some
		l := &s.letters[i]
		if l.kept && !s.mayGo(l) {
			s.keep(kept, i)
			kept++
			continue
		}
		again := *l
		if !s.send(&again) {
			s.letters[i] = again
			s.keep(kept, i)
			kept++
		}
	}
	clear(s.letters[kept:])
	s.letters = s.letters[:kept]
}

// keep moves a letter over those that have gone.
func (s *state) keep(to, from int) {
	if to != from {
		s.letters[to] = s.letters[from]
	}
}

// mayGo reports whether something has changed since a letter was kept, without looking for its targets.
func (s *state) mayGo(l *letter) bool {
	if l.hopped || l.topology != s.topology {
		return true
	}
	l.queue.Kept-- // it takes no room from itself
	defer func() { l.queue.Kept++ }()
	return slices.ContainsFunc(l.full, func(to *queue.Queue) bool { return to.Room(l.size) })
}

// send returns false if the letter's queue keeps it.
func (s *state) send(l *letter) bool {
	from := l.queue.Settings
	if l.kept {
		l.kept = false
		l.queue.Kept--
	}
	l.topology, l.hopped, l.full = s.topology, false, nil
	if !from.DeadLetters {
		s.Drop(l.queue.Name, l.message, l.death.Reason, "the queue has no dead-letter exchange")
		return true
	}
	if s.exchanges[from.DeadLetter.Exchange] == nil {
		return !s.stuck(l, "the dead-letter exchange does not exist")
	}
	m := l.message.Reborn(l.death, from.DeadLetter, s.round, s.model)
	queues := s.routes.Of(m, m.Exchange, s.exchanges)
	if len(queues) == 0 {
		return !s.stuck(l, "the dead-letter exchange routes it nowhere")
	}
	gone := true
	l.size = m.Size()
	for _, to := range queues {
		switch {
		case slices.Contains(l.sent, to.Name):
		case m.Hops > len(s.queues), m.InCycle(to.Name):
			l.hopped = l.hopped || !m.InCycle(to.Name)
			gone = !s.stuck(l, "it goes round in a dead-letter cycle") && gone
		case !to.Put(m):
			l.full = append(l.full, to)
			gone = !s.stuck(l, "the dead-letter target is full") && gone
		case from.KeepsDead():
			l.sent = append(l.sent, to.Name)
		}
	}
	return gone
}

// stuck drops a letter that no target takes, unless its queue keeps it.
func (s *state) stuck(l *letter, why string) (kept bool) {
	if !l.queue.Settings.KeepsDead() || l.queue.Expired {
		s.Drop(l.queue.Name, l.message, l.death.Reason, why)
		return false
	}
	if !l.kept {
		l.kept = true
		l.queue.Kept++
	}
	return true
}

// Lock locks the mutex.
func (s *state) Lock() { s.mu.Lock() }

// Unlock forwards messages that died under the mutex, unlocks it, and reports drops.
func (s *state) Unlock() {
	s.forward()
	drops := s.drops
	s.drops = nil
	s.mu.Unlock()
	for _, d := range drops {
		if err := callback.Call("memory: the function given to OnDrop", func() { s.onDrop(d) }); err != nil {
			slog.Error("a drop was not told", slog.String("queue", d.Queue), logattr.Err(err))
		}
	}
}

package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

const (
	// silentAfter is after how long without an answer a destination counts as silent.
	silentAfter = time.Second
	// lookEvery is how often the publishes that wait are looked at.
	lookEvery = silentAfter / 4
	// askedAgain is how often it is looked whether a message may be sent to a silent destination.
	askedAgain = 2 * time.Second
	// maxOverdue is how many publishes without an answer a channel may have before it is replaced.
	// RabbitMQ holds up a channel with 32 messages that a quorum queue has not taken: after 400 more
	// it reads nothing from the whole connection.
	maxOverdue = 16
	// forgottenAfter is how long a destination stays silent after its last publish: an answer
	// may have been lost with its channel.
	forgottenAfter = time.Minute
	// manyKeys is how many keys of an exchange are silent before every key of it is suspected: a
	// topic exchange may have any number of them, and each first message would stop the channel.
	manyKeys = 4
	// maxSuspects is how many suspected keys may have a message, and so a channel, at a time.
	maxSuspects = 32
)

// silences are the destinations that the broker does not answer for: a queue hangs, or has no
// majority. One message at a time is sent there, on a channel of its own, until there is an answer.
// More would harm the others: the first message for a hanging quorum queue stops its channel, and some
// hundred stop the connection.
type silences struct {
	count atomic.Int64 // of destinations: the usual answer costs no lock

	mu       sync.Mutex
	of       map[processor.Destination]*silence
	keys     map[string]int // how many keys of an exchange are silent, but for the default exchange
	suspects int
	answers  silent.Answers // while any destination is silent
}

type silence struct {
	since  time.Time
	over   chan struct{} // closed when there is an answer
	asking bool          // a caller is about to send the one message
	asked  *confirmChannel
	used   time.Time // when it was noted, or a message was last to be sent there

	suspected bool // other keys of the exchange are silent; this one has not been for long
}

// forgotten reports whether nobody waits for an answer, or has wanted to publish there for a while.
func (l *silence) forgotten() bool {
	if l.asking || l.asked != nil && !l.asked.channel.IsClosed() {
		return false
	}
	return l.suspected || time.Since(l.used) > forgottenAfter
}

// add notes a destination as silent.
func (s *silences) add(to processor.Destination, since time.Time) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.of[to]
	if l != nil && !l.suspected {
		return false
	}
	if l == nil {
		s.insert(to, since)
	} else {
		l.suspected = false
		s.suspects--
	}
	if to.Exchange != "" {
		s.keys[to.Exchange]++
	}
	return true
}

// insert adds a destination. The caller holds mu.
func (s *silences) insert(to processor.Destination, since time.Time) *silence {
	if s.of == nil {
		s.of, s.keys = map[processor.Destination]*silence{}, map[string]int{}
	}
	s.prune()
	l := &silence{since: since, over: make(chan struct{}), used: time.Now()}
	s.of[to] = l
	s.count.Add(1)
	return l
}

// end notes an answer.
func (s *silences) end(to processor.Destination) {
	if s.count.Load() == 0 {
		return
	}
	s.answers.Note(to, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.of[to]; l != nil {
		s.remove(to, l)
	}
}

// remove ends a silence. The caller holds mu.
func (s *silences) remove(to processor.Destination, l *silence) {
	close(l.over)
	delete(s.of, to)
	s.count.Add(-1)
	switch {
	case l.suspected:
		s.suspects--
	case to.Exchange == "":
	case s.keys[to.Exchange] == 1:
		delete(s.keys, to.Exchange)
	default:
		s.keys[to.Exchange]--
	}
}

// prune ends those that are forgotten. The caller holds mu.
func (s *silences) prune() {
	for to, l := range s.of {
		if l.forgotten() {
			s.remove(to, l)
		}
	}
}

// clear ends all: another session may be answered.
func (s *silences) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for to, l := range s.of {
		s.remove(to, l)
	}
}

// wait returns when a message may be sent there: nil, or the silence that its answer ends. The
// caller then calls asked. It returns [life.ErrClosed] once closed is closed.
func (s *silences) wait(ctx context.Context, closed <-chan struct{}, to processor.Destination) (*silence, error) {
	for s.count.Load() > 0 {
		l, now := s.ask(to)
		if now {
			return l, nil
		}
		timer := time.NewTimer(askedAgain)
		select {
		case <-l.over:
		case <-timer.C:
		case <-closed:
			timer.Stop()
			return nil, life.ErrClosed
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: not sent: it has not answered since %s: %w",
				processor.ErrBlocked, l.since.Format(time.RFC3339), s.whose(to, life.Ended(ctx)))
		}
		timer.Stop()
	}
	return nil, nil //nolint:nilnil // it is not silent
}

// whose adds to the reason why a publish is no longer waited for that it is its destination which does not answer, if
// that is known: another destination was answered after this one had become silent. Otherwise it may be all queues, as in a cluster
// that has lost its majority.
func (s *silences) whose(to processor.Destination, ended error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.of[to]; l != nil && !l.suspected && s.answers.HeardBesides(to, l.since.Add(silentAfter)) {
		return fmt.Errorf("%w: %w", processor.ErrSilent, ended)
	}
	return ended
}

// ask returns true if a message may be sent there, for one caller while a destination is silent.
// The next may when the channel of that one is closed, and has not brought the answer.
func (s *silences) ask(to processor.Destination) (l *silence, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.of[to]
	if l == nil {
		if s.keys[to.Exchange] < manyKeys {
			return nil, true
		}
		if l = s.suspect(to); l == nil {
			return &silence{since: time.Now()}, false
		}
	}
	l.used = time.Now()
	if l.asking || l.asked != nil && !l.asked.channel.IsClosed() {
		return l, false
	}
	l.asking = true
	return l, true
}

// suspect adds a key of an exchange that has many silent ones, unless too many are asked already. The
// caller holds mu.
func (s *silences) suspect(to processor.Destination) *silence {
	if s.suspects >= maxSuspects {
		s.prune()
	}
	if s.suspects >= maxSuspects {
		return nil
	}
	l := s.insert(to, time.Now())
	l.suspected = true
	s.suspects++
	return l
}

// asked notes the channel on which the message is sent, nil if there is none.
func (s *silences) asked(l *silence, c *confirmChannel) {
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.asking, l.asked = false, c
}

// list returns the silent destinations.
func (s *silences) list() []processor.Destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	all := make([]processor.Destination, 0, len(s.of))
	for to, l := range s.of {
		if !l.suspected {
			all = append(all, to)
		}
	}
	slices.SortFunc(all, func(a, b processor.Destination) int { return strings.Compare(a.String(), b.String()) })
	return all
}

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
)

// silences are the destinations that the broker does not answer for: a queue hangs, or has no
// majority. One message at a time is sent there, on a channel of its own, until there is an answer.
// More would harm the others: the first message for a hanging quorum queue stops its channel, and some
// hundred stop the connection.
type silences struct {
	count atomic.Int64 // of destinations: the usual answer costs no lock

	mu sync.Mutex
	of map[processor.Destination]*silence
}

type silence struct {
	since  time.Time
	over   chan struct{} // closed when there is an answer
	asking bool          // a caller is about to send the one message
	asked  *confirmChannel
}

// add notes a destination as silent.
func (s *silences) add(to processor.Destination, since time.Time) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[to] != nil {
		return false
	}
	if s.of == nil {
		s.of = map[processor.Destination]*silence{}
	}
	s.of[to] = &silence{since: since, over: make(chan struct{})}
	s.count.Add(1)
	return true
}

// end notes an answer.
func (s *silences) end(to processor.Destination) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.of[to]; l != nil {
		close(l.over)
		delete(s.of, to)
		s.count.Add(-1)
	}
}

// wait returns when a message may be sent there: nil, or the silence that its answer ends. The
// caller then calls asked.
func (s *silences) wait(ctx context.Context, to processor.Destination) (*silence, error) {
	for s.count.Load() > 0 {
		l, now := s.ask(to)
		if now {
			return l, nil
		}
		timer := time.NewTimer(askedAgain)
		select {
		case <-l.over:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: not sent: it has not answered since %s: %w",
				processor.ErrBlocked, l.since.Format(time.RFC3339), life.Ended(ctx))
		}
		timer.Stop()
	}
	return nil, nil //nolint:nilnil // it is not silent
}

// ask returns true if a message may be sent there, for one caller while a destination is silent.
// The next may when the channel of that one is closed, and has not brought the answer.
func (s *silences) ask(to processor.Destination) (l *silence, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.of[to]
	if l == nil {
		return nil, true
	}
	if l.asking || l.asked != nil && !l.asked.channel.IsClosed() {
		return l, false
	}
	l.asking = true
	return l, true
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
	all := make([]processor.Destination, 0, len(s.of))
	for to := range s.of {
		all = append(all, to)
	}
	slices.SortFunc(all, func(a, b processor.Destination) int { return strings.Compare(a.String(), b.String()) })
	return all
}

package memory

import (
	"fmt"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/alarm"
	"github.com/gowarren/warren/broker/memory/internal/exchange"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/processor"
)

// state is what the parts of a broker share.
type state struct {
	options

	mu            sync.Mutex // guards all below, and everything reachable from there
	closed        bool
	clock         *alarm.Clock
	exchanges     map[string]*exchange.Exchange
	queues        map[string]*queue.Queue
	subscriptions map[*queue.Consumer]func() // which end them when the broker is closed
	routes        exchange.Routes
	letters       []letter // dead, and not forwarded yet, or kept by their queue
	round         uint64   // counts the calls of forward
	topology      uint64   // counts changes of exchanges, queues and bindings
	drops         []Drop   // to be reported once the mutex is free
}

// letter is a message that has died in a queue and is being dead-lettered.
type letter struct {
	queue   *queue.Queue
	message *message.Message
	death   message.Death

	kept bool     // its queue keeps it until its targets take it
	sent []string // queues that have taken it already

	// Why it is kept, for mayGo.
	topology uint64         // that of the last try
	hopped   bool           // it has died too often in one round, and may go in the next
	full     []*queue.Queue // targets without room
	size     int64          // that they need
}

var _ queue.Host = (*state)(nil)

// Bury leaves the message to state.Unlock, which forwards it.
func (s *state) Bury(q *queue.Queue, m *message.Message, d message.Death) {
	s.letters = append(s.letters, letter{queue: q, message: m, death: d})
}

// Drop leaves the report to state.Unlock.
func (s *state) Drop(queue string, m *message.Message, death, why string) {
	if s.onDrop != nil {
		s.drops = append(s.drops, Drop{Queue: queue, Death: death, Why: why, Envelope: m.Envelope})
	}
}

// Remove deletes a queue with its bindings.
func (s *state) Remove(q *queue.Queue) {
	s.topology++
	delete(s.queues, q.Name)
	for _, x := range s.exchanges {
		x.Unbind(q)
	}
}

// find returns an open broker's queue.
func (s *state) find(name string) (*queue.Queue, error) {
	if s.closed {
		return nil, errClosed()
	}
	if q := s.queues[name]; q != nil {
		return q, nil
	}
	return nil, noQueue(name)
}

func errClosed() error { return fmt.Errorf("memory: the broker is %w", processor.ErrClosed) }

func noQueue(name string) error { return fmt.Errorf("memory: queue %q: %w", name, broker.ErrNoQueue) }

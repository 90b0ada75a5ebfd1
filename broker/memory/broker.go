package memory

import (
	"context"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/alarm"
	"github.com/gowarren/warren/broker/memory/internal/exchange"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/broker/memory/internal/version"
)

// Broker is a message broker in this process. Make one with [New]. Its methods may be
// called by many goroutines at once.
type Broker struct{ state *state }

var (
	_ broker.Broker     = (*Broker)(nil)
	_ broker.Counter    = (*Broker)(nil)
	_ broker.Redeclarer = (*Broker)(nil)
)

// New returns an empty broker. It has no goroutines, only timers for what expires;
// close it to stop them. A nil option does nothing.
func New(opts ...Option) *Broker {
	s := &state{
		options:       options{model: version.Newest()},
		exchanges:     map[string]*exchange.Exchange{},
		queues:        map[string]*queue.Queue{},
		subscriptions: map[*queue.Consumer]func(){},
	}
	s.clock = alarm.NewClock(s)
	for _, opt := range opts {
		if opt != nil {
			opt(&s.options)
		}
	}
	s.exchanges[""] = exchange.Default(s.queues)
	for name, kind := range broker.PreDeclared() {
		s.exchanges[name], _ = exchange.New(broker.Exchange{Name: name, Kind: kind}, s.model) // all are supported
	}
	return &Broker{s}
}

// Ready returns how many messages of queue wait to be delivered. As in RabbitMQ, it counts
// expired messages behind one that has not expired.
func (b *Broker) Ready(ctx context.Context, queue string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b.state.Lock()
	defer b.state.Unlock()
	q, err := b.state.find(queue)
	if err != nil {
		return 0, err
	}
	return q.Ready(), nil
}

// Close ends all subscriptions and publishes. The messages in the queues are lost. It works
// twice, and waits only for a call of [OnDrop]'s function.
func (b *Broker) Close(context.Context) error {
	b.close()
	b.state.clock.Wait() // an alarm that rings now finds the broker closed
	return nil
}

func (b *Broker) close() {
	s := b.state
	s.Lock()
	defer s.Unlock()
	for _, end := range s.subscriptions {
		end()
	}
	for _, q := range s.queues {
		q.Silence()
	}
	s.closed = true
	s.clock.Stop()
	s.letters = nil
	clear(s.subscriptions)
	clear(s.queues)
	clear(s.exchanges)
}

package memory

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// Broker is a message broker in this process. Make one with [New]. Its methods may be
// called by many goroutines at once.
type Broker struct {
	model  *model
	onDrop func(Drop)
	alarms sync.WaitGroup // set, or ringing

	mu            sync.Mutex // guards all below, and everything reachable from there
	closed        bool
	exchanges     map[string]*exchange
	queues        map[string]*queue
	subscriptions map[*subscription]struct{}
	targets       targets
	letters       []letter // dead, and not forwarded yet, or kept by their queue
	round         uint64   // counts the calls of forward
	drops         []Drop   // to be reported once the mutex is free
}

var (
	_ broker.Broker     = (*Broker)(nil)
	_ broker.Counter    = (*Broker)(nil)
	_ broker.Redeclarer = (*Broker)(nil)
)

// New returns an empty broker. It has no goroutines, only timers for what expires;
// close it to stop them. A nil option does nothing.
func New(opts ...Option) *Broker {
	b := &Broker{
		model:         &models[0],
		exchanges:     map[string]*exchange{},
		queues:        map[string]*queue{},
		subscriptions: map[*subscription]struct{}{},
	}
	for _, opt := range opts {
		if opt != nil {
			opt(b)
		}
	}
	b.exchanges[""] = &exchange{router: defaultRouter(b.queues)}
	for name, kind := range map[string]broker.Kind{
		"amq.direct": broker.Direct, "amq.fanout": broker.Fanout, "amq.topic": broker.Topic,
		"amq.headers": broker.HeadersKind, "amq.match": broker.HeadersKind,
	} {
		b.exchanges[name] = b.model.newExchange(broker.Exchange{Name: name, Kind: kind})
	}
	return b
}

// Option sets up a [Broker].
type Option func(*Broker)

// Ready returns how many messages of queue wait to be delivered. As in RabbitMQ, it counts
// expired messages behind one that has not expired.
func (b *Broker) Ready(ctx context.Context, queue string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return 0, errClosed()
	}
	q := b.queues[queue]
	if q == nil {
		return 0, noQueue(queue)
	}
	q.balance() // the alarm of a message that has just expired may not have rung yet
	return q.len(), nil
}

// Close ends all subscriptions and publishes. The messages in the queues are lost. It works
// twice, and waits only for a call of [OnDrop]'s function.
func (b *Broker) Close(context.Context) error {
	b.close()
	b.alarms.Wait() // an alarm that rings now finds the broker closed
	return nil
}

func (b *Broker) close() {
	b.mu.Lock()
	defer b.unlock()
	for s := range b.subscriptions {
		s.end()
		s.vanish()
	}
	for _, q := range b.queues {
		q.silence()
	}
	b.closed = true
	b.letters = nil
	clear(b.subscriptions)
	clear(b.queues)
	clear(b.exchanges)
}

// unlock forwards messages that died under the mutex, unlocks it, and reports drops.
func (b *Broker) unlock() {
	b.forward()
	drops := b.drops
	b.drops = nil
	b.mu.Unlock()
	for _, d := range drops {
		if err := callback.Call("memory: the function given to OnDrop", func() { b.onDrop(d) }); err != nil {
			slog.Error("a drop was not told", slog.String("queue", d.Queue), logattr.Err(err))
		}
	}
}

func errClosed() error { return fmt.Errorf("memory: the broker is %w", processor.ErrClosed) }

func noQueue(name string) error { return fmt.Errorf("memory: queue %q: %w", name, broker.ErrNoQueue) }

func inUse(name string) error { return fmt.Errorf("memory: queue %q: %w", name, broker.ErrInUse) }

package publish

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/processor"
)

const (
	// maxInFlight is how many publishes may wait for their confirm on one channel. A channel that a
	// hanging queue has stopped takes 400 messages at most. Then RabbitMQ reads nothing more from the
	// whole connection. It also bounds the returned messages not yet looked at.
	maxInFlight = 384
	// maxForOne is how many of those may be for one destination.
	maxForOne = 256
	// idleLanes is how many destinations without a waiting publish are remembered.
	idleLanes = 256
)

// places are those of the publishes that wait for their confirm on one channel. One destination
// cannot take them all: its queue may not answer.
type places struct {
	all chan struct{}

	mu    sync.Mutex
	lanes map[processor.Destination]*lane
}

// lane is the part of one destination.
type lane struct {
	taken chan struct{}

	// Guarded by the mutex of places.
	users    int       // publishes that have or want a place
	answered time.Time // the latest of its publishes
}

func newPlaces() *places {
	return &places{all: make(chan struct{}, maxInFlight), lanes: map[processor.Destination]*lane{}}
}

// take waits for a place. It returns errNotSent once over or left is closed.
func (p *places) take(ctx context.Context, to processor.Destination, over, left <-chan struct{}) error {
	l := p.join(to)
	err := enter(ctx, l.taken, over, left)
	if err == nil {
		if err = enter(ctx, p.all, over, left); err != nil {
			<-l.taken
		}
	}
	if err != nil {
		p.leave(to, l)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("rabbitmq: publish to %s: not sent: %d publishes to it wait for their confirm, and %d in all: %w",
			to, len(l.taken), len(p.all), err)
	}
	return err
}

func enter(ctx context.Context, room chan<- struct{}, over, left <-chan struct{}) error {
	select {
	case room <- struct{}{}:
		return nil
	default:
	}
	select {
	case room <- struct{}{}:
		return nil
	case <-over:
		return errNotSent
	case <-left:
		return errNotSent
	case <-ctx.Done():
		return life.Ended(ctx)
	}
}

// giveUp frees a place.
func (p *places) giveUp(to processor.Destination) {
	p.mu.Lock()
	l := p.lanes[to]
	l.answered = time.Now()
	p.mu.Unlock()
	<-p.all
	<-l.taken
	p.leave(to, l)
}

// quiet reports whether no publish to the destination has been answered since a moment.
func (p *places) quiet(to processor.Destination, since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[to]
	return l == nil || l.answered.Before(since)
}

func (p *places) join(to processor.Destination) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[to]
	if l == nil {
		l = &lane{taken: make(chan struct{}, maxForOne)}
		p.lanes[to] = l
	}
	l.users++
	return l
}

func (p *places) leave(to processor.Destination, l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.users--
	if l.users == 0 && len(p.lanes) > idleLanes {
		delete(p.lanes, to)
	}
}

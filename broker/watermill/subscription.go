package watermill

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/gowarren/warren/broker"
)

// subscription is a sequence of parts: a subscriber cannot be paused, so each pause ends one.
type subscription struct {
	*source
	options broker.SubscribeOptions
	channel *broker.Channel
	values  context.Context //nolint:containedctx // of Subscribe's, for the Subscribe after a pause

	mu      sync.Mutex
	paused  bool
	closed  bool
	err     error         // why there are no more messages
	goingOn chan struct{} // closed when the next part has begun; nil if none is beginning
	parts   []*part       // those before the latest may have messages in flight
	changed chan struct{} // closed and replaced to make Receive look again
}

var _ broker.Subscription = (*subscription)(nil)

// Receive takes from the latest part.
func (s *subscription) Receive(ctx context.Context) (*broker.Delivery, error) {
	for {
		p, changed, err := s.latest()
		if err != nil {
			return nil, err
		}
		if p != nil {
			d, err := p.receive(ctx)
			if !errors.Is(err, io.EOF) || !isClosed(changed) {
				return d, err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// latest returns the part to receive from, nil during a pause.
func (s *subscription) latest() (p *part, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, nil, s.err
	case s.paused || s.parts[len(s.parts)-1].isStopped():
		return nil, s.changed, nil
	}
	return s.parts[len(s.parts)-1], s.changed, nil
}

// change makes Receive look again. The caller holds mu.
func (s *subscription) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Pause ends the part.
func (s *subscription) Pause() (back <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.parts[len(s.parts)-1]
	if !s.paused && !s.closed {
		s.paused = true
		s.change()
		last.stop()
	}
	return last.drained
}

// Resume begins another part in the background, with Ordered once the messages in flight of the
// last one are settled. If that fails, Receive returns the error.
func (s *subscription) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused || s.closed {
		return
	}
	s.paused = false
	s.change()
	if last := s.parts[len(s.parts)-1]; s.goingOn == nil && last.isStopped() {
		s.goingOn = make(chan struct{})
		go s.goOn(last, s.goingOn)
	}
}

func (s *subscription) goOn(last *part, begun chan struct{}) {
	defer close(begun)
	if s.options.Ordered {
		<-last.drained
	}
	ctx, cancel := context.WithCancel(s.values)
	defer context.AfterFunc(s.channel.Life(), cancel)()
	var next *part
	err := context.Cause(s.channel.Life())
	if err == nil {
		next, err = s.begin(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change()
	s.goingOn = nil
	if err != nil {
		s.err = cmp.Or(s.err, err)
		return
	}
	if s.paused || s.closed {
		next.stop()
	}
	s.parts = append(slices.DeleteFunc(s.parts, (*part).isDrained), next)
}

// Close nacks the messages in flight, and ends all parts.
func (s *subscription) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed, s.err = true, io.EOF
		s.change()
	}
	goingOn := s.goingOn
	s.mu.Unlock()
	s.channel.Lose(nil)
	if goingOn != nil {
		select {
		case <-goingOn:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	parts := slices.Clone(s.parts)
	s.mu.Unlock()
	for _, p := range parts {
		p.close()
	}
	for _, p := range parts {
		if err := p.left(ctx); err != nil {
			return err
		}
	}
	return nil
}

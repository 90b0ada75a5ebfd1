package watermill

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
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
// last one are settled. While that fails, it is tried again.
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

// Pauses between the tries to subscribe again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// keepSubscribing is how long it is tried to subscribe again: the topic may be gone for good, and nobody would notice.
const keepSubscribing = 5 * time.Minute

// goOn tries until there is a part: a pause is often because of an outage, in which the first try fails
// as well.
func (s *subscription) goOn(last *part, begun chan struct{}) {
	defer close(begun)
	if s.options.Ordered {
		select {
		case <-last.drained:
		case <-s.channel.Life().Done():
		}
	}
	ctx, cancel := context.WithCancel(s.values)
	defer context.AfterFunc(s.channel.Life(), cancel)()
	start := time.Now()
	for failures := 1; ; failures++ {
		var next *part
		err := context.Cause(s.channel.Life())
		if err == nil {
			next, err = s.begin(ctx)
		}
		if s.gone(next, err, time.Since(start) >= keepSubscribing) {
			return
		}
		pause := pacing.Jitter(pacing.Doubling(firstPause, lastPause, failures))
		slog.LogAttrs(ctx, slog.LevelWarn, "not subscribed after a pause, trying again",
			slog.String("topic", s.topic), slog.Duration("wait", pause), logattr.Err(err))
		pacing.Sleep(ctx, pause)
	}
}

// gone goes on with a part, and reports false if there is none and one is still wanted. After the last try the subscription is over.
func (s *subscription) gone(next *part, err error, last bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.channel.Life().Err() != nil || last && !s.paused
	if err != nil && !s.paused && !over {
		return false
	}
	s.goingOn = nil
	defer s.change()
	if err != nil {
		if over {
			s.err = cmp.Or(s.err, err)
		}
		return true
	}
	if s.paused || s.closed {
		next.stop()
	}
	s.parts = append(slices.DeleteFunc(s.parts, (*part).isDrained), next)
	return true
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

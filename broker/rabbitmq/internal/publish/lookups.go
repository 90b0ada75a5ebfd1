package publish

import (
	"context"
	"sync"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// lookUp is a question to the broker, whose answer many may wait for.
type lookUp struct {
	done chan struct{}
	err  error // set before done is closed
}

// wait returns the answer.
func (l *lookUp) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return life.Ended(ctx)
	}
}

// lookUps are the answers to one question. A good one is remembered.
type lookUps[K comparable] struct {
	life     *life.Life
	question func(K) error
	most     int // answers that are remembered; 0 for any number

	mu sync.Mutex
	of map[K]*lookUp
}

// ask returns the answer. The first caller asks in the background, and the answer serves all callers meanwhile.
func (l *lookUps[K]) ask(ctx context.Context, key K) error {
	asked, first := l.begin(key)
	if !first {
		return asked.wait(ctx)
	}
	answer := func() {
		if asked.err = l.question(key); asked.err != nil {
			l.forget(key, asked) // it may be another later
		}
		close(asked.done)
	}
	if !l.life.Go(answer) {
		l.forget(key, asked)
		asked.err = life.ErrClosed
		close(asked.done)
	}
	return asked.wait(ctx)
}

func (l *lookUps[K]) begin(key K) (asked *lookUp, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if asked = l.of[key]; asked != nil {
		return asked, false
	}
	if l.of == nil || l.most > 0 && len(l.of) >= l.most {
		l.of = map[K]*lookUp{}
	}
	asked = &lookUp{done: make(chan struct{})}
	l.of[key] = asked
	return asked, true
}

// know notes a good answer that was given elsewhere.
func (l *lookUps[K]) know(key K) {
	if asked, first := l.begin(key); first {
		close(asked.done)
	}
}

// drop forgets a good answer that is true no more.
func (l *lookUps[K]) drop(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, key)
}

func (l *lookUps[K]) forget(key K, asked *lookUp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[key] == asked {
		delete(l.of, key)
	}
}

package main

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/ledger"
	"github.com/gowarren/warren/processor"
)

const (
	publishers = 8
	patience   = 30 * time.Second // for messages in flight when nothing more is published
	hurry      = 2 * time.Second  // the same, when the program is interrupted
)

// stream is the messages of one run, with their counts.
type stream struct {
	books  *ledger.Ledger
	prefix string // of the ids; tells this run's messages from those of an earlier one
}

func newStream() *stream {
	return &stream{books: ledger.New(), prefix: rand.Text()[:8] + "-"}
}

// publish publishes the numbers from 0, at most rate a second, until enough is closed or ctx ends.
// It returns when all are answered.
func (s *stream) publish(ctx context.Context, enough <-chan struct{}, p processor.Publisher, rate int) {
	under, cancel := lingering(ctx)
	defer cancel()
	go func() {
		select {
		case <-enough:
			time.AfterFunc(patience, cancel)
		case <-under.Done():
		}
	}()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var running sync.WaitGroup
	for range publishers {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-enough:
					return
				case <-tick.C:
				}
				n := s.books.Send()
				s.books.Answer(n, p.Publish(under, processor.Destination{RoutingKey: queue}, s.message(n)))
			}
		})
	}
	running.Wait()
}

func (s *stream) message(n int) processor.Envelope {
	text := strconv.Itoa(n)
	return processor.Envelope{Body: []byte(text), Properties: processor.Properties{ID: s.prefix + text}}
}

// process is the handler.
func (s *stream) process(_ context.Context, msg processor.Message) error {
	text, ours := strings.CutPrefix(msg.Properties().ID, s.prefix)
	if !ours {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return processor.Reject(err)
	}
	s.books.Process(n)
	return nil
}

// await waits until all confirmed messages have arrived, and reports whether they have. After a
// while the missing ones count as lost.
func (s *stream) await(ctx context.Context) bool {
	ctx, cancel := lingering(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, patience)
	defer cancel()
	return until(ctx, func() bool { return s.books.Books().Missing == 0 })
}

// lingering is a context that ends a little after ctx, for messages in flight.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(hurry, cancel) })
	return late, cancel
}

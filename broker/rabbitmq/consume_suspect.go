package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/logattr"
)

// ErrFirstMessage is wrapped by the error of [Broker.Health] while a queue's channel is lost again and
// again before its first delivery: the first message of the queue may be the cause.
var ErrFirstMessage = errors.New("the first message of the queue may be one that ends the channel: look at it and remove it")

const (
	// suspicious is how many generations without a delivery make the queue's first message suspect.
	suspicious = 3
	// suspectFor is how long it stays suspect after the last one. Reconnecting may take half of that.
	suspectFor = 30 * time.Second
)

// suspects are the queues whose first message is suspect, and since when. The zero value is ready.
type suspects struct{ queues sync.Map }

func (s *suspects) add(queue string) { s.queues.Store(queue, time.Now()) }

// err names the queues.
func (s *suspects) err() error {
	var err error
	for queue, last := range s.queues.Range {
		if time.Since(last.(time.Time)) > suspectFor { //nolint:forcetypeassert // add stores nothing else
			s.queues.CompareAndDelete(queue, last)
			continue
		}
		err = errors.Join(err, fmt.Errorf("rabbitmq: health: queue %q: %w", queue, ErrFirstMessage))
	}
	return err
}

// report logs that a generation was lost.
func (s *subscription) report(g *generation, cause error) {
	log := s.broker.life.Log.With(slog.String("queue", s.queue), logattr.Err(cause), slog.Int("times", s.failures))
	if s.failures < suspicious || g.used.Load() {
		log.Warn("consuming channel lost, opening the next; unsettled messages are delivered again")
		return
	}
	s.broker.suspects.add(s.queue)
	log.Error("consuming channel lost again before its first delivery; " + ErrFirstMessage.Error())
}

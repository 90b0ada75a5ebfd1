package publish

import (
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// learned is what the broker has said about one publishing connection.
type learned struct {
	session *failover.Session
	bodies  bodies
	denials denials
	permits lookUps[processor.Destination]
}

func newLearned(l *life.Life, s *failover.Session) *learned {
	return &learned{
		session: s,
		bodies:  bodies{life: l, session: s},
		permits: lookUps[processor.Destination]{most: maxPermits},
	}
}

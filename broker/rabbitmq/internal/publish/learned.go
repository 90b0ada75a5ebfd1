package publish

import (
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
)

// learned is what the broker has said about one publishing connection.
type learned struct {
	session *failover.Session
	bodies  bodies
	denials denials
}

func newLearned(l *life.Life, s *failover.Session) *learned {
	return &learned{session: s, bodies: bodies{life: l, session: s}}
}

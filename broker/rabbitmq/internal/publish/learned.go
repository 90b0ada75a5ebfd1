package publish

import (
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// learned is what the broker has said about one publishing connection.
type learned struct {
	life    *life.Life
	session *failover.Session
	bodies  bodies
	denials denials
	permits lookUps[processor.Destination]
}

func newLearned(l *life.Life, s *failover.Session) *learned {
	n := &learned{life: l, session: s, bodies: bodies{life: l, session: s}}
	n.permits.life, n.permits.question, n.permits.most = l, n.mayPublish, maxPermits
	return n
}

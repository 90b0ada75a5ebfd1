package rabbitmq

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/gowarren/warren/broker"
)

// timedOut remembers the messages whose handlers took longer than the consumer timeout.
//
// RabbitMQ 4.3 cancels the consumer of such a message and redelivers the message without counting a
// failed delivery: 14 times in 14 rounds, with a delivery count of 1. Such a message would be
// redelivered without end. Before 4.3 the timeout closes the channel, which counts. So the message
// is rejected once for each timeout, when it is redelivered, and the queue's delivery limit ends
// it.
type timedOut struct {
	mu    sync.Mutex
	seed  maphash.Seed
	marks []uint64 // the latest last
}

// maxTimedOut bounds what is remembered: a message may be redelivered to another consumer.
const maxTimedOut = 100

func newTimedOut() timedOut { return timedOut{seed: maphash.MakeSeed()} }

// note remembers msg; nil is none.
func (t *timedOut) note(msg *broker.Delivery) {
	if msg == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.marks) == maxTimedOut {
		t.marks = slices.Delete(t.marks, 0, 1)
	}
	t.marks = append(t.marks, t.mark(msg))
}

// take reports whether msg was noted, and forgets it once.
func (t *timedOut) take(msg *broker.Delivery) bool {
	if !msg.Origin().Redelivered {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.marks) == 0 {
		return false
	}
	i := slices.Index(t.marks, t.mark(msg))
	if i < 0 {
		return false
	}
	t.marks = slices.Delete(t.marks, i, i+1)
	return true
}

// mark is the same for the same message. Another message may share the mark, and be redelivered
// once more than needed.
func (t *timedOut) mark(msg *broker.Delivery) uint64 {
	var m maphash.Hash
	m.SetSeed(t.seed)
	_, _ = m.WriteString(msg.Properties().ID) // never fails
	_, _ = m.Write(msg.Body())
	return m.Sum64()
}

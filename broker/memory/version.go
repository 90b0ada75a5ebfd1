package memory

import (
	"fmt"

	"github.com/gowarren/warren/broker"
)

// Version sets the version of RabbitMQ that the broker behaves like: the newest of 3.10,
// 4.0 and 4.3 that is not newer than major.minor, and 3.10 for all before. Default: 4.3.
//
//	b := memory.New(memory.Version(3, 10))
func Version(major, minor int) Option {
	return func(b *Broker) {
		b.model = &models[len(models)-1]
		for i := range models {
			if m := &models[i]; major > m.major || major == m.major && minor >= m.minor {
				b.model = m
				return
			}
		}
	}
}

// model has the differences between the versions of RabbitMQ.
type model struct {
	major, minor int

	// maxBody is how many bytes a body may have.
	maxBody int
	// containers: since 4.0 the broker's annotations of a message are kept apart from the headers
	// that a sender wrote. So x-death of a sender is ignored, and CC stays when a dead-letter
	// key replaces it; there is x-last-death-*; and numbers are compared with their types.
	containers bool

	// Of quorum queues:

	// deliveryLimit is how many failed deliveries they allow by default.
	deliveryLimit int64
	// releaseCounts: a message given back untouched has failed too.
	releaseCounts bool
	// returnsToTail: a requeued message goes behind all others, if the queue has no delivery
	// limit, unless it is requeued with its channel. Elsewhere it goes before fresh messages.
	returnsToTail bool
	// delaysRetries: they have delayed retries. Others ignore the arguments.
	delaysRetries bool
	// priorities are those that they distinguish.
	priorities priorities
	// died says what a message keeps of its failures when it is dead-lettered.
	died carried
	// acquired: they count how often a message was delivered.
	acquired bool
}

// models has the newest first.
var models = [...]model{
	{
		major: 4, minor: 3, maxBody: 16 << 20, containers: true,
		deliveryLimit: 20, delaysRetries: true, priorities: strict, died: withAll, acquired: true,
	},
	{
		major: 4, minor: 0, maxBody: 16 << 20, containers: true,
		deliveryLimit: 20, releaseCounts: true, priorities: twoClasses, died: withRejections,
	},
	{
		major: 3, minor: 10, maxBody: 128 << 20,
		deliveryLimit: none, releaseCounts: true, returnsToTail: true,
	},
}

// problems lists the settings of a queue that this version would silently ignore.
func (m *model) problems(id identity) []error {
	if !id.delaysRetries() || m.delaysRetries {
		return nil
	}
	return []error{fmt.Errorf("delayed retries: %w: they need RabbitMQ 4.3; %d.%d, which this broker behaves like, "+
		"ignores them and delivers what failed at once, again and again", broker.ErrUnsupported, m.major, m.minor)}
}

// limit is how many failed deliveries of a message a queue allows.
func (m *model) limit(id identity) int64 {
	if id.deliveryLimit == none && id.kind == broker.Quorum {
		return m.deliveryLimit
	}
	return id.deliveryLimit
}

// carried says what a message keeps of its failed deliveries when it is dead-lettered.
type carried int

const (
	nothing        carried = iota
	withRejections         // the rejections by quorum queues; shown only
	withAll                // all, and they count in the next queue
)

// carry returns the failures of a message that leaves its queue dead.
func (m *model) carry(l *letter) int64 {
	switch m.died {
	case withAll:
		return l.failures
	case withRejections:
		if l.reason == rejected && l.queue.kind == broker.Quorum {
			return l.message.failures + 1
		}
		return l.message.failures
	case nothing:
	}
	return 0
}

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

// model is what differs between the versions of RabbitMQ.
type model struct {
	major, minor int
	// delaysRetries: quorum queues have delayed retries. Others ignore the arguments.
	delaysRetries bool
	// returnsToTail: what is given back to a quorum queue without a delivery limit goes behind
	// everything, unless it goes with its channel. Elsewhere it goes before what is fresh.
	returnsToTail bool
}

// models has the newest first.
var models = [...]model{
	{major: 4, minor: 3, delaysRetries: true},
	{major: 4, minor: 0},
	{major: 3, minor: 10, returnsToTail: true},
}

// problems says what a queue has that this version would ignore without a word.
func (m *model) problems(id identity) []error {
	if !id.delaysRetries() || m.delaysRetries {
		return nil
	}
	return []error{fmt.Errorf("delayed retries: %w: they need RabbitMQ 4.3; %d.%d, which this broker behaves like, "+
		"ignores them and delivers what failed at once, again and again", broker.ErrUnsupported, m.major, m.minor)}
}

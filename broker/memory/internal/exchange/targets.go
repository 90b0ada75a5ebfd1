package exchange

import "github.com/gowarren/warren/broker/memory/internal/queue"

// targets are the queues that one message goes to, each once.
type targets struct {
	round  uint64
	queues []*queue.Queue
}

func (t *targets) begin() {
	t.round++
	clear(t.queues)
	t.queues = t.queues[:0]
}

func (t *targets) add(queues ...*queue.Queue) {
	for _, q := range queues {
		if q.FirstIn(t.round) {
			t.queues = append(t.queues, q)
		}
	}
}

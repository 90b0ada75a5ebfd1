package memory

// targets are the queues that one message goes to, each once. The slice is reused for the
// next message.
type targets struct {
	round  uint64
	queues []*queue
}

func (t *targets) add(queues ...*queue) {
	for _, q := range queues {
		if q.lastRound != t.round {
			q.lastRound = t.round
			t.queues = append(t.queues, q)
		}
	}
}

// route returns the queues that m goes to from x, or from its alternate exchange if x
// has none, and so on. The result is valid until the next call.
func (b *Broker) route(x *exchange, m *message) []*queue {
	t := &b.targets
	t.round++
	clear(t.queues)
	t.queues = t.queues[:0]
	for x != nil && x.lastRound != t.round {
		x.lastRound = t.round
		x.router.route(m, t)
		if len(t.queues) > 0 || x.identity.alternate == "" {
			break
		}
		x = b.exchanges[x.identity.alternate]
	}
	return t.queues
}

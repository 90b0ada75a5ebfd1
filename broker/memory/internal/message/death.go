package message

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/version"
	"github.com/gowarren/warren/processor"
)

// The reasons for a message's death, as x-death has them.
const (
	Rejected      = "rejected"
	Expired       = "expired"
	MaxLen        = "maxlen"
	DeliveryLimit = "delivery_limit"
)

// Death is how a message left a queue.
type Death struct {
	Queue    string
	Reason   string
	Failures int64 // that it takes along
}

// Reborn returns the message as it leaves for a dead-letter target, in a round of forwarding.
func (m *Message) Reborn(d Death, target broker.DeadLetter, round uint64, model *version.Model) *Message {
	next := &Message{
		Envelope: m.Envelope,
		Exchange: target.Exchange,
		Keys:     m.Keys,
		shown:    m.shown,
		dead:     true,
		Failures: d.Failures,
		round:    round,
	}
	if m.round == round {
		next.Hops = m.Hops + 1
	}
	next.Envelope.Headers = m.record(d, model)
	next.Envelope.Expiration = 0
	if target.RoutingKey != "" {
		next.Keys, next.shown = []string{target.RoutingKey}, 1
		if !model.Containers {
			delete(next.Envelope.Headers, "CC")
		}
	}
	return next
}

// InCycle reports whether the message has been in the queue before and returned without a
// rejection in between, the last death included.
func (m *Message) InCycle(queue string) bool {
	deaths, _ := m.Envelope.Headers.List("x-death")
	last := slices.IndexFunc(deaths, func(death any) bool {
		return field(death, "queue") == queue
	})
	return last >= 0 && !slices.ContainsFunc(deaths[:last+1], func(death any) bool {
		return field(death, "reason") == Rejected
	})
}

// record returns the headers of a dead message, with x-death: one entry for each queue
// and reason, the one that counts this death first. Up to 3.10 the entries in x-death may
// come from a sender.
func (m *Message) record(d Death, model *version.Model) processor.Headers {
	h := m.Envelope.Headers.Clone()
	if h == nil {
		h = processor.Headers{}
	}
	deaths, ok := h.List("x-death")
	if model.Containers {
		ok = m.dead
		m.set(h, "x-last-death-", d)
	}
	entry := m.entry(d)
	if !ok {
		m.set(h, "x-first-death-", d)
		h["x-death"] = []any{entry}
		return h
	}
	if model.Containers {
		deaths = slices.Clone(deaths)
	} else {
		deaths = regroup(deaths)
	}
	same := slices.IndexFunc(deaths, func(d any) bool { return identity(d) == identity(entry) })
	if same >= 0 {
		entry = countUp(deaths[same])
		deaths = slices.Delete(deaths, same, same+1)
	}
	h["x-death"] = slices.Insert(deaths, 0, any(entry))
	return h
}

func (m *Message) set(h processor.Headers, prefix string, d Death) {
	h[prefix+"reason"] = d.Reason
	h[prefix+"queue"] = d.Queue
	h[prefix+"exchange"] = m.Exchange
}

// entry returns a new entry of x-death.
func (m *Message) entry(d Death) processor.Headers {
	keys := make([]any, 0, m.shown)
	for _, key := range m.Keys[:m.shown] {
		keys = append(keys, key)
	}
	death := processor.Headers{
		"count":        int64(1),
		"reason":       d.Reason,
		"queue":        d.Queue,
		"time":         time.Now().UTC().Truncate(time.Second),
		"exchange":     m.Exchange,
		"routing-keys": keys,
	}
	if e := m.Envelope.Expiration; e > 0 {
		death["original-expiration"] = strconv.FormatInt(e.Milliseconds(), 10)
	}
	return death
}

// countUp returns a copy of an entry with one more death. Everything else, the time
// too, is that of the first.
func countUp(death any) processor.Headers {
	table, _ := death.(processor.Headers)
	table = table.Clone()
	count, _ := table.Int64("count")
	if count < math.MaxInt64 {
		count++
	}
	table["count"] = count
	return table
}

// regroup returns a copy of the entries, each queue and reason once. RabbitMQ 3.10 reverses
// two or more of them, and so the order of older deaths.
func regroup(deaths []any) []any {
	var grouped []any
	seen := map[[2]string]bool{}
	for _, death := range deaths {
		if key := identity(death); !seen[key] {
			seen[key] = true
			grouped = append(grouped, death)
		}
	}
	slices.Reverse(grouped)
	return grouped
}

func identity(death any) [2]string {
	return [2]string{field(death, "queue"), field(death, "reason")}
}

func field(death any, name string) string {
	table, _ := death.(processor.Headers)
	value, _ := table.String(name)
	return value
}

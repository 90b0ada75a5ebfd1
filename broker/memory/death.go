package memory

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gowarren/warren/processor"
)

// recordDeath returns the headers of a dead message, with x-death: one entry for each queue
// and reason, the one that counts this death first. Up to 3.10 the entries in x-death may
// come from a sender.
func (m *model) recordDeath(l *letter) processor.Headers {
	h := l.message.envelope.Headers.Clone()
	if h == nil {
		h = processor.Headers{}
	}
	deaths, ok := h.List("x-death")
	if m.containers {
		ok = l.message.dead
		setDeath(h, "x-last-death-", l)
	}
	if !ok {
		setDeath(h, "x-first-death-", l)
		h["x-death"] = []any{newDeath(l)}
		return h
	}
	if m.containers {
		deaths = slices.Clone(deaths)
	} else {
		deaths = regroup(deaths)
	}
	death := newDeath(l)
	same := slices.IndexFunc(deaths, func(d any) bool { return deathKey(d) == deathKey(death) })
	if same >= 0 {
		death = countUp(deaths[same])
		deaths = slices.Delete(deaths, same, same+1)
	}
	h["x-death"] = slices.Insert(deaths, 0, any(death))
	return h
}

func setDeath(h processor.Headers, prefix string, l *letter) {
	h[prefix+"reason"] = l.reason
	h[prefix+"queue"] = l.queue.name
	h[prefix+"exchange"] = l.message.exchange
}

func newDeath(l *letter) processor.Headers {
	m := l.message
	keys := make([]any, 0, m.shown)
	for _, key := range m.keys[:m.shown] {
		keys = append(keys, key)
	}
	death := processor.Headers{
		"count":        int64(1),
		"reason":       l.reason,
		"queue":        l.queue.name,
		"time":         time.Now().UTC().Truncate(time.Second),
		"exchange":     m.exchange,
		"routing-keys": keys,
	}
	if e := m.envelope.Expiration; e > 0 {
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
		if key := deathKey(death); !seen[key] {
			seen[key] = true
			grouped = append(grouped, death)
		}
	}
	slices.Reverse(grouped)
	return grouped
}

func deathKey(death any) [2]string {
	return [2]string{deathField(death, "queue"), deathField(death, "reason")}
}

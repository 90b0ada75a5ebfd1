package outbox

import (
	"time"

	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

// sieve takes from the messages of a claim, in their order, those that can be published now.
type sieve struct {
	*delivery
	held  map[int64]bool
	keys  map[string]bool // of which a message was passed over
	asked map[processor.Destination]bool

	taken     []stored
	size      int
	later     map[processor.Destination][]stored
	due       map[processor.Destination]time.Time
	postponed int
}

// sift returns how many were not taken.
func (s *sieve) sift(rows []stored) (passed int) {
	for _, row := range rows {
		if s.isFull() {
			return passed
		}
		if s.keys[row.orderKey] || !s.takes(row) {
			passed++
			if row.orderKey != "" {
				s.keys[row.orderKey] = true
			}
			continue
		}
		s.taken = append(s.taken, row)
		s.size += row.size
	}
	return passed
}

func (s *sieve) isFull() bool {
	return len(s.taken) >= s.relay.batch || s.size >= maxRead || s.postponed >= maxPostponed
}

func (s *sieve) takes(row stored) bool {
	switch {
	case s.held[row.seq]:
		return false
	case row.problem != nil:
		return true
	case s.isCrowded(row.to):
		return false
	}
	v, due := s.relay.silences.Look(row.to)
	switch v {
	case silent.Probe:
		first := !s.asked[row.to]
		s.asked[row.to] = true
		return first
	case silent.Asked:
		return false
	case silent.Later:
		s.later[row.to] = append(s.later[row.to], row)
		s.due[row.to] = due
		s.postponed++
		return false
	case silent.Free:
	}
	return true
}

// isCrowded reports whether a message would wait for others that are in flight, or have brought no answer.
func (s *sieve) isCrowded(to processor.Destination) bool {
	if s.flights[to] != nil || s.out[to] != nil {
		return true
	}
	keys := 0
	for _, all := range []map[processor.Destination]*flight{s.flights, s.out} {
		for other := range all {
			if to.Exchange != "" && other.Exchange == to.Exchange {
				keys++
			}
		}
	}
	return keys >= crowd
}

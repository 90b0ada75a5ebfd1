package outbox

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

const (
	// crowd is how many keys of an exchange are in flight, or have brought no answer, before no others are taken: all
	// of them may lead to one queue that hangs. Those that are known to be silent do not count.
	crowd = 4
	// maxKeys is how many keys of an exchange are left out one by one.
	maxKeys = 32
	// maxQueues is how many queues are left out.
	maxQueues = 100
)

// leftOut is which destinations get nothing now: exchanges, and keys of others. The database leaves out their messages, and those that
// have an earlier one among them in their order key.
type leftOut struct {
	exchanges []string
	keys      map[string][]string // by exchange
}

// leaveOut puts together what is in flight, what has brought no answer in this delivery, and what is known to be silent.
// It is not complete if there are more silent queues than a statement should name.
func leaveOut(busy, quiet []processor.Destination) (l leftOut, complete bool) {
	byExchange := map[string]map[string]bool{} // whether a key is known to be silent
	for i, all := range [][]processor.Destination{busy, quiet} {
		for _, to := range all {
			if byExchange[to.Exchange] == nil {
				byExchange[to.Exchange] = map[string]bool{}
			}
			byExchange[to.Exchange][to.RoutingKey] = i == 1
		}
	}
	l.keys, complete = map[string][]string{}, true
	for exchange, keys := range byExchange {
		unknown := 0
		for _, known := range keys {
			if !known {
				unknown++
			}
		}
		names := slices.Sorted(maps.Keys(keys))
		switch {
		case exchange != "" && (unknown >= crowd || len(keys) > maxKeys):
			l.exchanges = append(l.exchanges, exchange)
			continue
		case len(keys) > maxQueues:
			names, complete = names[:maxQueues], false
		}
		l.keys[exchange] = names
	}
	return l, complete
}

func (l leftOut) isEmpty() bool { return len(l.exchanges)+len(l.keys) == 0 }

// condition is that of the messages that are left out, in the table that a statement names so.
func (l leftOut) condition(table string) (condition string, args []any) {
	var parts []string
	if len(l.exchanges) > 0 {
		parts = append(parts, table+".exchange IN ("+list(len(l.exchanges))+")")
		args = append(args, columns(l.exchanges)...)
	}
	for exchange, keys := range l.keys {
		parts = append(parts, table+".exchange = ? AND "+table+".routing_key IN ("+list(len(keys))+")")
		args = append(append(args, column(exchange)), columns(keys)...)
	}
	return "(" + strings.Join(parts, " OR ") + ")", args
}

func columns(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = column(name)
	}
	return all
}

// silentOnes is the destinations that may be silent.
type silentOnes struct {
	mu  sync.Mutex
	all map[processor.Destination]struct{}
}

func (s *silentOnes) add(to processor.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[processor.Destination]struct{}{}
	}
	s.all[to] = struct{}{}
}

// now returns those that get nothing now.
func (s *silentOnes) now(silences *silent.Destinations) (all []processor.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for to := range s.all {
		switch v, _ := silences.Look(to); v {
		case silent.Free:
			delete(s.all, to)
		case silent.Asked, silent.Later:
			all = append(all, to)
		case silent.Probe:
		}
	}
	return all
}

package verify

import (
	"context"
	"fmt"
	"strings"
)

// leftovers finds queues left by an earlier topology of the same owner.
func (v *verification) leftovers(ctx context.Context) error {
	if v.managed == nil {
		if len(v.all.Owned) > 0 {
			v.uncheckedf("queues left over whose names begin with one of %q: AMQP does not list queues; use Management", v.all.Owned)
		}
		return nil
	}
	for _, name := range v.managed.names {
		if _, planned := plannedQueue(v.all, name); planned || !v.owned(name) {
			continue
		}
		s, err := v.queue(ctx, name)
		if err != nil {
			return err
		}
		if s.there {
			v.find(Finding{
				Kind: Leftover, Severity: Notice, Queue: name,
				Problem: fmt.Sprintf("it is left over from an earlier topology, and holds %d messages", s.ready),
				Change:  "delete it when it is empty",
			})
		}
	}
	return nil
}

func (v *verification) owned(name string) bool {
	for _, prefix := range v.all.Owned {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

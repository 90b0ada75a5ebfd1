package main

// counts are the figures of the last line. A mail that an earlier run published and this one found
// counts as published.
type counts struct{ published, processed, retried, parked int }

// count takes the parked mails from the parked queue itself.
func (j *journal) count(parked map[string]bool) counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	var c counts
	for id, l := range j.lives {
		if l.confirmed || len(l.entries) > 0 {
			c.published++
		}
		switch {
		case l.sent:
			c.processed++
		case parked[id]:
			c.parked++
		}
		c.retried += retries(l)
	}
	return c
}

func retries(l *life) int {
	n := 0
	for _, e := range l.entries {
		if e.queue != "" && e.queue != parkedQueue {
			n++
		}
	}
	return n
}

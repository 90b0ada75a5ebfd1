package verify

import "context"

// targets finds queues that delays pass messages to and that refuse them when full.
func (v *verification) targets(ctx context.Context) error {
	for _, q := range v.plan.Queues {
		delay := queueAttributes(q)
		if !delay.isDelay() {
			continue
		}
		exchange, key, _ := delay.deadLetters()
		names := v.leadsTo(exchange, key)
		if exchange == "" {
			names = []string{key}
		}
		for _, name := range names {
			if err := v.target(ctx, name, delay.text("x-dead-letter-strategy") == "at-least-once"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verification) target(ctx context.Context, name string, held bool) error {
	if name == "" {
		return nil // each message's own
	}
	s, err := v.queue(ctx, name)
	if err != nil || !s.there {
		return err
	}
	live := v.effective(name, s)
	if !live.rejects() {
		return nil
	}
	f := Finding{
		Kind: RejectingTarget, Queue: name,
		Problem: "delays hand on to it, and it refuses when it is full: they drop what it refuses",
		Change:  "take its bound or its overflow away",
	}
	if held {
		f.Problem = "delays hand on to it, and it refuses when it is full: that holds up all that waits in them"
	}
	if held && live.isDelay() {
		f.Severity = Notice
	}
	v.find(f)
	return nil
}

package rabbitmq

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// targets finds queues that delays hand on to and that refuse when they are full.
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

// effective is what a queue does: what it was declared with, and what policies add.
func (v *verification) effective(name string, s seen) attributes {
	planned, isPlanned := plannedQueue(v.plan, name)
	live := s.live
	if live == nil && isPlanned {
		live = queueAttributes(planned)
	}
	if v.managed != nil {
		live = live.under(v.managed.policies[name])
	}
	if _, typed := live[queueTypeArg]; !typed && s.kind != "" {
		live = maps.Clone(live)
		live[queueTypeArg] = s.kind
	}
	return live
}

// byPolicy are the arguments that a policy may set as well, and that change what becomes of
// messages.
var byPolicy = []string{
	ttlArg, overflowArg, limitArg, "x-expires", "x-max-length", "x-max-length-bytes",
	"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
}

// under returns a with what a policy adds. Of two numbers the smaller counts; of two words,
// that which the queue was declared with.
func (a attributes) under(policy attributes) attributes {
	all := attributes{}
	maps.Copy(all, a)
	for _, name := range byPolicy {
		word := strings.TrimPrefix(name, "x-")
		value, there := policy[word]
		declared, isNumber := a.number(name)
		set, alsoNumber := policy.number(word)
		if _, taken := a[name]; there && (!taken || isNumber && alsoNumber && set < declared) {
			all[name] = value
		}
	}
	return all
}

// policies finds those that change what planned queues do.
func (v *verification) policies(context.Context) error {
	if v.managed == nil {
		v.uncheckedf("policies: AMQP does not show them; use Management")
		return nil
	}
	for _, q := range v.plan.Queues {
		planned := queueAttributes(q)
		if list := differences(planned, planned.under(v.managed.policies[q.Name])); len(list) > 0 {
			v.find(Finding{
				Kind: PolicyApplies, Severity: Notice, Queue: q.Name,
				Problem: "a policy changes what it does: " + strings.Join(list, ", "),
				Change:  "plan it so, or exclude the queue from the policy",
			})
		}
	}
	return nil
}

// leftovers finds queues that an earlier topology of the same owner has left.
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

package verify

import (
	"context"
	"maps"
	"strings"
)

// effective is how a queue behaves: by its declaration, and by what policies add.
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

// byPolicy are the arguments that a policy may set as well, and that change what happens to
// messages.
var byPolicy = []string{
	ttlArg, overflowArg, limitArg, "x-expires", "x-max-length", "x-max-length-bytes",
	"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
}

// under returns a with what a policy adds. Of two numbers the smaller counts; of two texts, that of
// the declaration.
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

// policies finds policies that change what planned queues do.
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

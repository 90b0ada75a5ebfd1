package brokertest

import "slices"

// Ability is something that RabbitMQ can do and not every broker.
type Ability string

// The abilities that cases need.
const (
	// Topologies: it has exchanges, bindings and queues with arguments, and reports missing
	// ones.
	Topologies Ability = "topologies"
	// Queues: a message is for one subscription, and a returned one is there for the next.
	Queues Ability = "queues"
	// Order: messages come in the order in which they were published.
	Order Ability = "order"
	// Limits: it has those of AMQP, and of RabbitMQ's own headers.
	Limits Ability = "limits"
	// Redelivered: it marks messages that it has delivered before.
	Redelivered Ability = "redelivered"
)

// Option changes the expectations of a broker.
type Option func(*abilities)

// Without leaves out cases that need these abilities. Default: everything is expected.
func Without(lacking ...Ability) Option {
	return func(a *abilities) { a.lacking = append(a.lacking, lacking...) }
}

type abilities struct {
	lacking []Ability
	version version
}

func (a abilities) lacks(needs ...Ability) bool {
	return slices.ContainsFunc(needs, func(n Ability) bool { return slices.Contains(a.lacking, n) })
}

// inTopologies returns cases that need [Topologies], each of them.
func inTopologies(cases []testCase) []testCase {
	cases = slices.Clone(cases)
	for i := range cases {
		cases[i].needs = append(slices.Clip(cases[i].needs), Topologies)
	}
	return cases
}

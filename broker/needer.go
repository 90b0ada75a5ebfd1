package broker

// TopologyNeeder is implemented by layers of a stack that need something in the broker: queues in which
// messages wait, one for those that are parked, or a work queue with certain arguments. So what a stack
// needs is said once, by the options of its layers; package broker/needs puts it together.
type TopologyNeeder interface {
	// Topology returns what the layer needs to process the messages of work. Its first queue is work,
	// with what the layer adds to it, such as a delivery limit and a dead-letter target. What other
	// layers have added stays: given a work queue that it has returned, the layer returns the same one.
	// It has no effects, and the error says what cannot be had, and what to change.
	Topology(work Queue) (Topology, error)
}

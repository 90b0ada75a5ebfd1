package version

// ReadsDeaths reports whether the broker may read x-death as a sender has written it, and die
// of it: RabbitMQ 3.10 does, 4.0 ignores it.
func (s Server) ReadsDeaths() bool { return !s.From(4, 0) }

// HoldsUpNormal reports whether a quorum queue hands out two urgent messages for one normal
// one, as from 4.0 to before 4.3. Where it has a TTL too, which is looked at only of the next
// message, normal ones stay for as long as urgent ones keep coming.
func (s Server) HoldsUpNormal() bool { return s.From(4, 0) && !s.From(4, 3) }

// KeepsOrderOfNack reports whether messages that go back with one basic.nack are delivered
// again in their order and ahead of all others: quorum queues did so from 4.0 on.
func (s Server) KeepsOrderOfNack() bool { return s.From(4, 0) }

// ReturnsOverdueUncounted reports whether a message that was held for longer than the consumer
// timeout goes back without being counted as a failed delivery.
func (s Server) ReturnsOverdueUncounted() bool { return s.From(4, 3) }

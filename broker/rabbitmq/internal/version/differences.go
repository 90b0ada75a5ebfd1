package version

// ReadsDeaths reports whether the broker may read x-death as a sender has written it, and crash:
// RabbitMQ 3.10 does, 4.0 ignores it.
func (s Server) ReadsDeaths() bool { return !s.From(4, 0) }

// HoldsUpNormal reports whether a quorum queue delivers two urgent messages for one normal one, as
// from 4.0 to before 4.3. If it also has a TTL, which is checked only of the next message, normal
// messages stay for as long as urgent ones keep coming.
func (s Server) HoldsUpNormal() bool { return s.From(4, 0) && !s.From(4, 3) }

// KeepsOrderOfNack reports whether messages requeued with one basic.nack are redelivered in their
// order and ahead of all others: quorum queues did so from 4.0 on.
func (s Server) KeepsOrderOfNack() bool { return s.From(4, 0) }

// ReturnsOverdueUncounted reports whether a message held for longer than the consumer timeout is
// requeued without being counted as a failed delivery.
func (s Server) ReturnsOverdueUncounted() bool { return s.From(4, 3) }

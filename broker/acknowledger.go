package broker

// Acknowledger sends settlements to a broker. A source supplies one, bound to the
// channel that the deliveries came from: a tag of another channel must never reach
// the broker, so an Acknowledger whose channel is gone returns [processor.ErrStale].
//
// It is called at most once for each tag, from any goroutine.
type Acknowledger interface {
	// Ack says that the delivery was processed.
	Ack(tag uint64) error
	// Nack says that the delivery failed. It counts as an attempt.
	Nack(tag uint64, requeue bool) error
	// Release gives the delivery back untouched. Where the broker can tell the
	// difference it does not count as an attempt.
	Release(tag uint64) error
}

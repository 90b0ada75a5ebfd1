package version

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

const limitArg = "x-delivery-limit"

// defaultLimit is the delivery limit of a quorum queue that has none of its own, from 4.0 on.
const defaultLimit = 20

// DeliveryLimit is how many failed deliveries of a message a quorum queue with these arguments
// allows. It is false if there is no limit, or none that is ever reached. Before 4.0 a negative
// limit is taken for 0.
func (s Server) DeliveryLimit(arguments processor.Headers) (int64, bool) {
	n, set := arguments.Int64(limitArg)
	switch {
	case !set:
		return defaultLimit, s.From(4, 0)
	case n < 0 && !s.From(4, 0):
		return 0, true
	}
	return n, n >= 0 && n < broker.HighDeliveryLimit
}

// AsItIs is q by its arguments alone, with its delivery limit on the server written the same way
// for every version. A limit that is the server's default stays unset.
func (s Server) AsItIs(q broker.Queue) broker.Queue {
	arguments := q.AllArguments()
	if kind, _ := arguments.String("x-queue-type"); kind == string(broker.Quorum) {
		limit, limited := s.DeliveryLimit(arguments)
		if !limited {
			limit = broker.HighDeliveryLimit
		}
		if _, set := arguments[limitArg]; set || !limited {
			arguments[limitArg] = limit
		}
	}
	return broker.Queue{Name: q.Name, Arguments: arguments}
}

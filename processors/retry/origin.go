package retry

import (
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// FirstOrigin is the origin of msg with the exchange and key of its first publish. Those of
// [processor.Message.Origin] are of the last: a retry arrives through the default exchange, under
// the name of its queue.
//
// They are read from headers that the first failure writes, and that any sender can: do not let a
// message do more because of them. Without such headers, and before the first failure, they are the
// last ones. The queue and the redelivered flag are always those of this delivery.
func FirstOrigin(msg processor.Message) processor.Origin { return republish.Origin(msg) }

package failover

import (
	"time"
)

// BackoffWait is the pure schedule behind [Backoff].
func BackoffWait(base, limit time.Duration, rounds int, random float64) time.Duration {
	return backoff{base, limit}.wait(rounds, random)
}

// Explain marks a node's refusal with [ErrAuth].
var Explain = explain

// Details returns the fields that an endpoint does not print.
func Details(e Endpoint) (user, password, vhost string) { return e.user, e.password(), e.vhost }

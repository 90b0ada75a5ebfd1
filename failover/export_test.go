package failover

import (
	"time"
)

// BackoffWait is the pure schedule behind [Backoff].
func BackoffWait(base, limit time.Duration, rounds int, random float64) time.Duration {
	return backoff{base, limit}.wait(rounds, random)
}

// Explain is what marks a node's refusal with [ErrAuth].
var Explain = explain

// Details returns what an endpoint does not print.
func Details(e Endpoint) (user, password, vhost string) { return e.user, e.password(), e.vhost }

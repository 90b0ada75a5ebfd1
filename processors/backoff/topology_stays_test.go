package backoff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/backoff"
)

// A worker that is away for a deploy takes such a queue with it, and delayed messages then find no
// queue.
func TestAWorkQueueThatGoesAwayByItselfIsRefused(t *testing.T) {
	t.Parallel()
	for want, work := range map[string]broker.Queue{
		`the work queue "mail" goes with its last consumer`: {AutoDelete: true},
		"leave out AutoDelete":                              {AutoDelete: true},
		"leave out Exclusive":                               {Exclusive: true},
		"leave out Expires":                                 {Type: broker.Quorum, Expires: 24 * time.Hour},
		"leave out Expires (x-expires)":                     {Arguments: processor.Headers{"x-expires": int32(60_000)}},
	} {
		work.Name = "mail"
		for name, opts := range map[string][]backoff.Option{"ladder": nil, "steps": {backoff.Jitter(0)}} {
			t.Run(want+", "+name, func(t *testing.T) {
				t.Parallel()
				topology, err := backoff.Topology(work, opts...)
				require.ErrorContains(t, err, "backoff: the work queue")
				require.ErrorContains(t, err, want)
				require.Zero(t, topology)
			})
		}
	}
}

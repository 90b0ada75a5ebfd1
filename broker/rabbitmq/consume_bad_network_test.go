package rabbitmq_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestNoMessageIsLostInABadNetwork(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*pair){
		"cut":                             (*pair).cut,
		"cut in the middle of a frame":    func(p *pair) { p.torn.Store(true) },
		"nothing reaches the node":        func(p *pair) { p.upLost.Store(true) },
		"nothing reaches the client":      func(p *pair) { p.downLost.Store(true) },
		"neither hears of the other":      func(p *pair) { p.forgotten.Store(true); p.upLost.Store(true); p.downLost.Store(true) },
		"the consumer is cancelled":       (*pair).cancel,
		"the client's end goes unnoticed": func(p *pair) { p.forgotten.Store(true); _ = p.client.Close() },
	} {
		for kind, losses := range map[string]int{"classic": 2, "quorum": 1} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				url := rabbitmqtest.Shared(t).URL()
				l := newLink(t, url)
				w := newWard(t, url, kind, l.option())
				w.fill(t, 300)
				w.consume(t)
				for i := 1; i <= losses; i++ {
					w.reaches(t, 100*i)
					require.Eventually(t, func() bool { return l.consuming(harm) > 0 }, patience, time.Millisecond)
					require.Eventually(t, func() bool { return w.losses() == i }, patience, time.Millisecond)
					w.fill(t, 50)
				}
				w.finish(t)
			})
		}
	}
}

// A message may take longer than the heartbeats allow a silent node.
func TestASlowLinkIsNotTakenForADeadOne(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	l := newLink(t, url)
	w := newWard(t, url, "classic", l.option())
	sub := subscribe(t, w.broker, w.queue, 5)
	e := text("large")
	e.Body = bytes.Repeat([]byte("slow"), 125<<10)
	l.rate.Store(200 << 10)
	start := time.Now()
	require.NoError(t, open(t, url).Publisher().Publish(within(t), to(w.queue), e))
	msg := receive(t, sub)
	require.Equal(t, e.Body, msg.Body())
	require.NoError(t, msg.Ack())
	require.Greater(t, time.Since(start), 2*time.Second, "longer than a silence may be")
	require.Zero(t, w.log.count("connection lost"))
	require.Zero(t, w.losses())
	require.Equal(t, int64(1), l.consumes.Load())
}

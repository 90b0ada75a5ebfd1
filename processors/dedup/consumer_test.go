package dedup_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/retry"
)

// Each of 200 events is sent three times and routed to two queues, whose consumers share a
// store. Each handler fails with each event at first, and succeeds with it once.
func TestEachQueueProcessesEachMessageOnceOnABroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 200
		b := memory.New()
		defer func() { require.NoError(t, b.Close(t.Context())) }()
		topology := broker.Topology{Exchanges: []broker.Exchange{{Name: "events", Kind: broker.Fanout}}}
		queues := []string{"mail", "audit"}
		for _, q := range queues {
			topology.Queues = append(topology.Queues, broker.Queue{Name: q}, broker.Queue{Name: q + "_parked"},
				broker.Queue{Name: q + "_retry", MessageTTL: time.Second, DeadLetter: &broker.DeadLetter{RoutingKey: q}})
			topology.Bindings = append(topology.Bindings, broker.Binding{Exchange: "events", Queue: q})
		}
		require.NoError(t, b.Declare(t.Context(), topology))
		for i := range 3 * events {
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{Exchange: "events"},
				processor.Envelope{Properties: id(strconv.Itoa(i % events))}))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		store := dedup.NewMemory(10*events, time.Hour)
		var wg sync.WaitGroup
		for _, q := range queues {
			h := newOnceFailing()
			p, err := stack.New(ack.New(), retry.New(b.Publisher(), q+"_retry", retry.Retries(1), retry.ParkKey(q+"_parked")),
				dedup.New(store)).ThenFunc(h.handle)
			require.NoError(t, err)
			wg.Go(func() {
				if err := must.Have(consumer.New(b.Source(q), p, consumer.Workers(4))).Run(ctx); err != nil {
					t.Error(err)
				}
			})
			defer func() {
				require.Len(t, h.done, events)
				for _, n := range h.done {
					require.Equal(t, 1, n)
				}
			}()
		}
		wg.Wait()
		for _, q := range []string{"mail", "mail_retry", "mail_parked", "audit", "audit_retry", "audit_parked"} {
			n, err := b.Ready(t.Context(), q)
			require.NoError(t, err)
			require.Zero(t, n, q)
		}
	})
}

// onceFailing fails with each message at first.
type onceFailing struct {
	mu    sync.Mutex
	tried map[string]bool
	done  map[string]int
}

func newOnceFailing() *onceFailing {
	return &onceFailing{tried: map[string]bool{}, done: map[string]int{}}
}

func (o *onceFailing) handle(_ context.Context, msg processor.Message) error {
	time.Sleep(10 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	id := msg.Properties().ID
	if !o.tried[id] {
		o.tried[id] = true
		return errMail
	}
	o.done[id]++
	return nil
}

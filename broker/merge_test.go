package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// work has a part of each kind, and none in alphabetical order.
func work() broker.Topology {
	return broker.Topology{
		Exchanges: []broker.Exchange{{Name: "work", Kind: broker.Topic, Alternate: "lost"}, {Name: "lost", Kind: broker.Fanout}},
		Queues: []broker.Queue{
			{Name: "work", DeadLetter: &broker.DeadLetter{Exchange: "lost"}},
			{Name: "lost", Type: broker.Classic, Arguments: processor.Headers{"x-max-priority": int64(9)}},
		},
		Bindings: []broker.Binding{
			{Exchange: "work", Queue: "work", RoutingKey: "#"},
			{Exchange: "lost", Queue: "lost", Arguments: processor.Headers{"a": []any{"b"}}},
		},
	}
}

func TestMergeIsIdempotent(t *testing.T) {
	t.Parallel()
	once := work().Merge(work())
	require.Equal(t, work(), once)
	require.Equal(t, work(), once.Merge(once).Merge(work()))
	require.Equal(t, work(), work().Merge(broker.Topology{}))
	require.Equal(t, work(), broker.Topology{}.Merge(work()))
	require.Zero(t, broker.Topology{}.Merge(broker.Topology{}))
}

func TestMergeRemovesWhatOneSideRepeats(t *testing.T) {
	t.Parallel()
	w := work()
	twice := broker.Topology{
		Exchanges: append(w.Exchanges, w.Exchanges...),
		Queues:    append(w.Queues, w.Queues...),
		Bindings:  append(w.Bindings, w.Bindings...),
	}
	require.Equal(t, work(), twice.Merge(broker.Topology{}))
}

func TestMergeKeepsTheOrder(t *testing.T) {
	t.Parallel()
	retry := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "retry", Kind: broker.Direct}, {Name: "lost", Kind: broker.Fanout}, {Name: "again", Kind: broker.Direct}},
		Queues:    []broker.Queue{{Name: "z"}, {Name: "a"}},
		Bindings:  []broker.Binding{{Exchange: "retry", Queue: "z"}, {Exchange: "work", Queue: "work", RoutingKey: "#"}},
	}
	w := work()
	require.Equal(t, broker.Topology{
		Exchanges: append(w.Exchanges, retry.Exchanges[0], retry.Exchanges[2]),
		Queues:    append(w.Queues, retry.Queues...),
		Bindings:  append(w.Bindings, retry.Bindings[0]),
	}, work().Merge(retry))
}

func TestMergeLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	left, right := work(), queues(broker.Queue{Name: "more"})
	left.Queues = append(make([]broker.Queue, 0, 8), left.Queues...) // room that Merge must not write to
	merged := left.Merge(right)
	merged.Queues[0].Name = "changed"
	require.Equal(t, work(), left)
	require.Empty(t, left.Queues[:cap(left.Queues)][2].Name)
	require.Equal(t, queues(broker.Queue{Name: "more"}), right)
}

// Parts that are declared in the same way are one part; any other difference keeps both, and
// Validate reports them.
func TestMergeComparesWhatTheBrokerIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		a, b broker.Queue
		same bool
	}{
		"no type and Classic":      {broker.Queue{}, broker.Queue{Type: broker.Classic}, false},
		"no and empty arguments":   {broker.Queue{}, broker.Queue{Arguments: processor.Headers{}}, true},
		"a field and its argument": {broker.Queue{MessageTTL: time.Second}, broker.Queue{Arguments: processor.Headers{"x-message-ttl": int64(1000)}}, true},
		"equal dead letters":       {broker.Queue{DeadLetter: &broker.DeadLetter{}}, broker.Queue{DeadLetter: &broker.DeadLetter{}}, true},
		"dead letter or none":      {broker.Queue{}, broker.Queue{DeadLetter: &broker.DeadLetter{}}, false},
		"other arguments":          {broker.Queue{}, broker.Queue{MaxLength: 1}, false},
		"a limit and its argument": {broker.Queue{Type: broker.Quorum, DeliveryLimit: 7}, broker.Queue{Arguments: processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": 7}}, true},
		"another limit":            {broker.Queue{Type: broker.Quorum, DeliveryLimit: 7}, broker.Queue{Type: broker.Quorum}, false},
		"delayed retries":          {delayed(time.Second, time.Minute), broker.Queue{Type: broker.Quorum}, false},
		"equal delayed retries":    {delayed(time.Second, time.Minute), delayed(time.Second, time.Minute), true},
		"exclusive":                {broker.Queue{}, broker.Queue{Exclusive: true}, false},
		"auto-delete":              {broker.Queue{}, broker.Queue{AutoDelete: true}, false},
		"transient":                {broker.Queue{}, broker.Queue{Transient: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.a.Name, test.b.Name = "q", "q"
			merged := queues(test.a).Merge(queues(test.b))
			if test.same {
				require.Equal(t, []broker.Queue{test.a}, merged.Queues)
				require.NoError(t, merged.Validate())
				return
			}
			require.Len(t, merged.Queues, 2)
			require.ErrorIs(t, merged.Validate(), broker.ErrTopology)
		})
	}
}

package plan

import (
	"cmp"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/argument"
)

// flow sorts the parts of a topology in the order in which messages pass through them. A
// part is a number: exchanges come first, then queues, as listed.
type flow struct {
	topology  broker.Topology
	exchanges map[string]int
	queues    map[string]int

	next [][]int // what a part feeds
	fed  []bool  // it is fed by another part, and not only by a delay queue behind it

	rank []int // 1 for the first; 0: not reached yet
	last int
}

// inFlow returns t in the order of its flow. Where that leaves a choice, the listed order
// stays: numbered queues are listed better than they sort.
func inFlow(t broker.Topology) broker.Topology {
	f := newFlow(t)
	for part := range f.next {
		if !f.fed[part] {
			f.follow(part)
		}
	}
	for part := range f.next {
		f.follow(part) // a circle
	}
	return f.sorted()
}

func newFlow(t broker.Topology) *flow {
	parts := len(t.Exchanges) + len(t.Queues)
	f := &flow{
		topology: t, exchanges: map[string]int{}, queues: map[string]int{},
		next: make([][]int, parts), fed: make([]bool, parts), rank: make([]int, parts),
	}
	for i, x := range slices.Backward(t.Exchanges) {
		f.exchanges[x.Name] = i
	}
	for i, q := range slices.Backward(t.Queues) {
		f.queues[q.Name] = len(t.Exchanges) + i
	}
	for _, b := range t.Bindings {
		f.feed(f.exchanges, b.Exchange, f.queues, b.Queue, false)
	}
	for _, x := range t.Exchanges {
		if alternate, ok := x.AllArguments().String("alternate-exchange"); ok {
			f.feed(f.exchanges, x.Name, f.exchanges, alternate, false)
		}
	}
	for _, q := range t.Queues {
		f.feedDeadLetters(q)
	}
	return f
}

// feedDeadLetters takes a queue with a TTL for a delay queue, which returns its messages: its
// target comes before it.
func (f *flow) feedDeadLetters(q broker.Queue) {
	arguments := q.AllArguments()
	to, ok := argument.DeadLetters(arguments)
	if !ok {
		return
	}
	_, delay := argument.Milliseconds(arguments, "x-message-ttl")
	if name, known := to.Queue(); known {
		f.feed(f.queues, q.Name, f.queues, name, delay)
		return
	}
	f.feed(f.queues, q.Name, f.exchanges, to.Exchange, delay)
}

func (f *flow) feed(sources map[string]int, source string, sinks map[string]int, sink string, back bool) {
	from, known := sources[source]
	to, there := sinks[sink]
	if !known || !there {
		return
	}
	f.next[from] = append(f.next[from], to)
	f.fed[to] = f.fed[to] || !back
}

// follow ranks part and everything that it leads to, the nearest first.
func (f *flow) follow(part int) {
	for near := []int{part}; len(near) > 0; near = near[1:] {
		if f.rank[near[0]] > 0 {
			continue
		}
		f.last++
		f.rank[near[0]] = f.last
		near = append(near, f.next[near[0]]...)
	}
}

func (f *flow) sorted() broker.Topology {
	t := broker.Topology{
		Exchanges: inOrder(f.topology.Exchanges, f.rank),
		Queues:    inOrder(f.topology.Queues, f.rank[len(f.topology.Exchanges):]),
		Bindings:  slices.Clone(f.topology.Bindings),
		Owned:     f.topology.Owned,
	}
	slices.SortStableFunc(t.Bindings, func(a, b broker.Binding) int {
		return cmp.Compare(f.place(a.Exchange), f.place(b.Exchange))
	})
	return t
}

// place is the rank of an exchange. Those that are not listed come last.
func (f *flow) place(exchange string) int {
	if part, ok := f.exchanges[exchange]; ok {
		return f.rank[part]
	}
	return f.last + 1
}

// inOrder returns the items by their ranks, which are all different.
func inOrder[T any](items []T, ranks []int) []T {
	indexes := make([]int, len(items))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortFunc(indexes, func(i, j int) int { return cmp.Compare(ranks[i], ranks[j]) })
	sorted := make([]T, len(items))
	for i, index := range indexes {
		sorted[i] = items[index]
	}
	return sorted
}

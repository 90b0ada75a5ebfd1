package failover

import (
	"cmp"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/gowarren/warren/internal/callback"
)

// Order says in which order the nodes of one round are tried. It is called at
// the start of each round: for [Dial], when a session that was stable is lost, and after each
// round that brought no lasting session.
//
// It gets a new slice with every node in the order of the URLs, beginning after the one
// that was tried last; [Endpoint.Number] is a node's place in the
// URLs. Nodes are tried in the order in which it yields them, each once. It may leave nodes out, and
// it may yield without end: the iteration stops once every node has come, or after 64
// values for each node. In any order, a node that has just failed is tried last in
// the next round, and one that was left because it was cut off ([LeaveCutOff]) after the
// others.
//
// If it panics, is nil, or yields no node of the list, that is logged as an error, and the
// round is that of [RoundRobin]. It may be called by several connections at once, and
// must not block: nothing is dialled meanwhile.
type Order func(nodes []Endpoint) iter.Seq[Endpoint]

// RoundRobin tries the nodes in turn, and begins after the one that was tried last. It
// is the default.
func RoundRobin() Order { return slices.Values[[]Endpoint] }

// Shuffle tries the nodes in an order that is random in each round, so that many clients
// with the same URLs spread over the nodes.
func Shuffle() Order {
	return func(nodes []Endpoint) iter.Seq[Endpoint] {
		rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		return slices.Values(nodes)
	}
}

// InOrder sets the order in which nodes are tried. Default: [RoundRobin].
func InOrder(o Order) Option { return func(c *config) { c.strategy = o } }

// valuesPerNode bounds the values taken from an order. It is ample for a random one.
const valuesPerNode = 64

// plan returns the nodes of the next round, by their index.
func (d *dialer) plan() []int {
	order, err := d.ask(d.inTurn())
	if err != nil {
		d.log.Error("failover: the strategy cannot be used, the nodes are tried in turn", "error", err)
		for _, node := range d.inTurn() {
			order = append(order, node.number-1)
		}
	}
	if order[0] == d.last {
		order = append(order[1:], d.last)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(d.cutOff(i), d.cutOff(j)) })
	return order
}

// cutOff is 1 for a node that was cut off at its last request, and else 0.
func (d *dialer) cutOff(i int) int {
	if errors.Is(d.errs[i], ErrCutOff) {
		return 1
	}
	return 0
}

// inTurn returns the nodes, beginning after the one that was tried last.
func (d *dialer) inTurn() []Endpoint {
	return slices.Concat(d.nodes[d.last+1:], d.nodes[:d.last+1])
}

// ask asks the order for a round in another goroutine, which that may end by Goexit.
func (d *dialer) ask(nodes []Endpoint) (order []int, err error) {
	if err = callback.Apart("it", func() { order = d.collect(nodes) }); err != nil {
		return nil, err
	}
	if len(order) == 0 {
		return nil, errors.New("it named no node")
	}
	return order, nil
}

// collect returns the nodes that the strategy yields, each once.
func (d *dialer) collect(nodes []Endpoint) (order []int) {
	values := valuesPerNode * len(d.nodes)
	for node := range d.strategy(nodes) {
		i := node.number - 1
		if i >= 0 && i < len(d.nodes) && !slices.Contains(order, i) {
			order = append(order, i)
		}
		if values--; values == 0 || len(order) == len(d.nodes) {
			break
		}
	}
	return order
}

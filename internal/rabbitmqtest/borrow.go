//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// returnLimit is how long a node may take to be as it was before a test had it.
const returnLimit = 5 * time.Second

// idle are the nodes that tests have borrowed and returned.
var idle pool

type pool struct {
	mu    sync.Mutex
	nodes []lent
}

// lent is a node that tests have in turn, a cluster of one.
type lent struct {
	*Cluster

	settings string // before the first test had it
}

// Borrow returns a node that no other test uses meanwhile: close its connections, suspend its queues,
// raise its alarms. An earlier test may have had it, and left queues of its own, so names must be unique
// as on [Shared]. It costs a start only if no node is idle.
//
// The next test gets it if this one passes and leaves it as it was: running, without clients and alarms, and
// with the same settings of RabbitMQ's own, users, permissions, policies, parameters and vhosts. Otherwise it is removed.
func Borrow(tb TB) *Node {
	tb.Helper()
	l, err := idle.take(tb)
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	tb.Cleanup(func() {
		l.logFailure(tb)
		if !tb.Failed() && l.asItWas(tb, returnLimit) {
			idle.put(l)
			return
		}
		if err := l.close(); err != nil {
			tb.Errorf("rabbitmqtest: %v", err)
		}
	})
	return l.nodes[0]
}

// take returns an idle node, or else starts one.
func (p *pool) take(tb TB) (lent, error) {
	if !inMain {
		return lent{}, errNoMain
	}
	p.mu.Lock()
	if last := len(p.nodes) - 1; last >= 0 {
		defer p.mu.Unlock()
		l := p.nodes[last]
		p.nodes = p.nodes[:last]
		return l, nil
	}
	p.mu.Unlock()
	c, err := startCluster(tb, 1)
	if err != nil {
		return lent{}, err
	}
	l, err := lend(tb, c)
	if err != nil {
		return lent{}, errors.Join(err, c.close())
	}
	return l, nil
}

func (p *pool) put(l lent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes = append(p.nodes, l)
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, l := range slices.Backward(p.nodes) {
		errs = append(errs, l.close())
	}
	p.nodes = nil
	return errors.Join(errs...)
}

// settingsExpression is a number that changes with what a test may set in a node.
const settingsExpression = `
erlang:phash2([lists:sort(application:get_all_env(rabbit)), lists:sort(rabbit_vhost:list_names()),
 lists:sort(rabbit_policy:list()), lists:sort(rabbit_policy:list_op()),
 lists:sort(rabbit_runtime_parameters:list()), lists:sort(rabbit_runtime_parameters:list_global()),
 lists:sort(rabbit_auth_backend_internal:list_users()), lists:sort(rabbit_auth_backend_internal:list_permissions())])`

// lend notes how a cluster of one is.
func lend(tb TB, c *Cluster) (lent, error) {
	ctx, cancel := within(tb, callLimit)
	defer cancel()
	settings, err := c.nodes[0].ask(ctx, settingsExpression)
	return lent{c, settings}, err
}

// asItWas waits until the node is as it was before it was lent. The connections of a client that has
// closed them go a moment later.
func (l lent) asItWas(tb TB, limit time.Duration) bool {
	if len(l.running()) == 0 {
		return false
	}
	ctx, cancel := within(tb, limit)
	defer cancel()
	return l.nodes[0].awaitTrue(ctx, fmt.Sprintf(`
rabbit_networking:connections() =:= [] andalso rabbit_alarm:get_alarms() =:= [] andalso
(%s) =:= %s`, settingsExpression, l.settings)) == nil
}

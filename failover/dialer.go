package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// dialer finds the next node that answers. It belongs to one goroutine at a time: to
// Dial until there is a first session, and to the supervisor from then on.
type dialer struct {
	*config
	nodes    []Endpoint
	next     int     // the node to try next
	failures int     // attempts in a row that brought no lasting session
	errs     []error // the last error of each node
	met      bool    // there has been a session
	running  *sync.WaitGroup
}

func newDialer(cfg *config, nodes []Endpoint) *dialer {
	return &dialer{config: cfg, nodes: nodes, errs: make([]error, len(nodes)), running: &sync.WaitGroup{}}
}

// dial tries the nodes in turn until one answers, or ctx ends. Before the first session
// it also gives up on credentials that every node refuses.
func (d *dialer) dial(ctx context.Context) (*Session, error) {
	for {
		if err := d.pause(ctx); err != nil {
			return nil, d.report(err)
		}
		session, err := d.attempt(ctx)
		switch {
		case err == nil:
			return session, nil
		case ctx.Err() != nil:
			return nil, d.report(ended(ctx))
		case !d.met && d.refused():
			return nil, d.report(nil)
		}
	}
}

// attempt tries the next node. The one after it is next then, whatever comes of it: a
// node that just failed is the last to be tried again.
func (d *dialer) attempt(ctx context.Context) (*Session, error) {
	i := d.next
	d.next = (i + 1) % len(d.nodes)
	node := d.nodes[i].Address()

	session, err := d.connect(ctx, d.nodes[i])
	if err == nil {
		d.met, d.errs[i] = true, nil
		d.log.Info("failover: connected", "node", node, "attempt", d.failures+1)
		return session, nil
	}
	if ctx.Err() != nil {
		// It says little about the node, but more than nothing.
		d.errs[i] = cmp.Or(d.errs[i], fmt.Errorf("node %s: no answer yet: %w", node, err))
		return nil, err
	}
	d.failures++
	d.errs[i] = fmt.Errorf("node %s: %w", node, err)
	d.log.Warn("failover: cannot connect", "node", node, "attempt", d.failures, "error", err)
	return nil, err
}

// lost takes down the end of a session. One that did not last is a failed attempt: were
// it a success, nodes that accept and drop connections would be dialled without a pause.
func (d *dialer) lost(s *Session) {
	d.log.Warn("failover: connection lost", "node", s.node, "error", s.Err())
	if time.Since(s.since) >= d.stableAfter {
		d.failures = 0
		return
	}
	d.failures++
}

// pause waits after each full round of failures.
func (d *dialer) pause(ctx context.Context) error {
	rounds := d.failures / len(d.nodes)
	if rounds == 0 || d.failures%len(d.nodes) != 0 {
		return nil
	}
	wait := d.backoff.wait(rounds, rand.Float64()) //nolint:gosec // jitter is no secret
	d.log.Info("failover: waiting before the next round", "attempt", d.failures, "wait", wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// refused reports whether every node has refused the credentials in the round that has
// just ended.
func (d *dialer) refused() bool {
	if d.failures%len(d.nodes) != 0 {
		return false
	}
	for _, err := range d.errs {
		if !errors.Is(err, ErrAuth) {
			return false
		}
	}
	return true
}

// report joins the reason for giving up, if it is not in the nodes' errors, with these.
func (d *dialer) report(reason error) error {
	all := errors.Join(d.errs...)
	if reason != nil {
		all = errors.Join(reason, all)
	}
	return fmt.Errorf("failover: no node to connect to: %w", all)
}

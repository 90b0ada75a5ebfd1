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
	round    []int   // the nodes that are left in this round, by their index
	last     int     // the node that was tried last; -1 before the first
	rounds   int     // failed in a row
	failures int     // attempts in a row that brought no lasting session
	errs     []error // the last error of each node
	met      bool    // there has been a session
	status   *status
	secrets  *secrets
	running  *sync.WaitGroup
}

func newDialer(cfg *config, nodes []Endpoint) *dialer {
	return &dialer{
		config:  cfg,
		nodes:   nodes,
		last:    -1,
		errs:    make([]error, len(nodes)),
		status:  newStatus(),
		secrets: newSecrets(),
		running: &sync.WaitGroup{},
	}
}

// dial tries the nodes, round after round, until one answers, ctx ends, or it gives up.
func (d *dialer) dial(ctx context.Context) (*Session, error) {
	for {
		if len(d.round) == 0 {
			if err := d.nextRound(ctx); err != nil {
				return nil, err
			}
		}
		session, err := d.attempt(ctx)
		if err == nil {
			return session, nil
		}
		if ctx.Err() != nil {
			return nil, d.report(ended(ctx))
		}
	}
}

// nextRound plans a round. If one has just failed, it first waits, or gives up if it is time.
func (d *dialer) nextRound(ctx context.Context) error {
	if d.failures > 0 {
		d.rounds++
		d.status.roundFailed(d.errs)
		switch {
		case !d.met && d.refused():
			return d.report(nil)
		case d.maxRounds != NoLimit && d.rounds >= d.maxRounds:
			return d.report(fmt.Errorf("%w after %d rounds", ErrGaveUp, d.rounds))
		}
		if err := d.pause(ctx); err != nil {
			return d.report(err)
		}
	}
	d.round = d.plan()
	return nil
}

// attempt tries the next node of the round.
func (d *dialer) attempt(ctx context.Context) (*Session, error) {
	i := d.round[0]
	d.round, d.last = d.round[1:], i
	node := d.nodes[i].Address()
	d.status.update(func(s *State) { s.Phase, s.Node = Connecting, node })

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
	d.status.update(func(s *State) { s.Unreachable = present(d.errs) })
	d.log.Warn("failover: cannot connect", "node", node, "attempt", d.failures, "error", err)
	return nil, err
}

// lost records the end of a session. A short one counts as a failed attempt: otherwise
// nodes that accept and drop connections would be dialled without a pause.
func (d *dialer) lost(s *Session) {
	d.log.Warn("failover: connection lost", "node", s.node, "error", s.Err())
	if time.Since(s.since) >= d.stableAfter {
		d.failures, d.rounds, d.round = 0, 0, nil
		return
	}
	d.failures++
}

// pause waits after a failed round.
func (d *dialer) pause(ctx context.Context) error {
	wait := d.backoff.wait(d.rounds, rand.Float64()) //nolint:gosec // jitter is no secret
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

// refused reports whether every node has refused the credentials, or is not trusted.
func (d *dialer) refused() bool {
	for _, err := range d.errs {
		if !errors.Is(err, ErrAuth) && !isUntrusted(err) {
			return false
		}
	}
	return true
}

// report joins the reason for giving up, unless the nodes' errors contain it, with these.
func (d *dialer) report(reason error) error {
	return fmt.Errorf("failover: no node to connect to: %w", errors.Join(reason, errors.Join(d.errs...)))
}

package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrCutOff is wrapped by the error of a node that does not answer requests that need the
// majority of its cluster; see [LeaveCutOff].
var ErrCutOff = errors.New("failover: the node is cut off from the majority of its cluster")

// LeaveCutOff is how long a node may be cut off from the majority of its cluster, while
// another node is not, before the connection moves to that one. A node of RabbitMQ 4.x that keeps its
// metadata in Khepri does not pause then: it keeps its connections, but confirms no publishes to
// quorum queues and delivers none of their messages.
//
// Each session makes a request that needs the majority, after half of that time each: to remove
// a binding that does not exist, from amq.direct to amq.fanout. If there is no answer for the
// other half, the other nodes are tried in turn, and the session ends only when one of them
// has answered the same request; the connection goes on there. If none does, the session
// stays for as long as the node keeps it (it closes the connection with 541, 30 s after the
// request), and the requests come half as often each time, down to one in 5 minutes.
// Meanwhile [Connection.Ready] is [ErrCutOff]. If the user may not write to amq.fanout and
// read from amq.direct, the request is not repeated; a broker before 4.0 gets none.
//
// 0 is never. Default: 0. The broker of package rabbitmq sets 20 s.
func LeaveCutOff(after time.Duration) Option { return func(c *config) { c.leaveCutOff = after } }

// rarest is the longest time between two requests.
const rarest = 5 * time.Minute

// askForMajority asks again and again, and signals the supervisor when there is no answer.
func (s *Session) askForMajority() {
	for {
		timer := time.NewTimer(s.untilAsked())
		select {
		case <-timer.C:
		case <-s.done:
			timer.Stop()
			return
		}
		answer := s.askOnce()
		err := s.await(answer)
		if errors.Is(err, ErrCutOff) {
			s.setCutOff(err)
			select {
			case s.suspect <- struct{}{}:
			default:
			}
			select {
			case err = <-answer:
			case <-s.done:
				return
			}
		}
		var refused *amqp.Error
		if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
			s.log.Info("failover: whether the node is cut off cannot be seen", "node", s.node, "error", err)
			s.setCutOff(nil)
			return
		}
		if err == nil {
			s.status.setCutOffs(0)
			s.setCutOff(nil)
		}
	}
}

// untilAsked is how long to wait before the next question. It is random, so that clients do
// not ask in step.
func (s *Session) untilAsked() time.Duration {
	nominal := s.leaveCutOff / 2
	for range s.status.cutOffs() {
		if nominal >= rarest/2 {
			nominal = max(nominal, rarest)
			break
		}
		nominal *= 2
	}
	return nominal - rand.N(nominal/4+1) //nolint:gosec // jitter, no secret
}

// askOnce makes a request that needs the majority, although there is nothing to remove. The
// answer comes on the returned channel; the client's call ends with the session at the latest.
func (s *Session) askOnce() <-chan error {
	answer := make(chan error, 1)
	asked := s.run(func() {
		// Not by Channel, which ends the session of a broker that is slow to answer.
		channel, err := s.conn.Channel()
		if err == nil {
			err = channel.ExchangeUnbind("amq.fanout", "warren.majority", "amq.direct", false, nil)
			_ = channel.Close()
		}
		answer <- err
	})
	if !asked {
		answer <- s.Err()
	}
	return answer
}

// await waits for an answer. There is none while the broker blocks.
func (s *Session) await(answer <-chan error) error {
	limit := s.leaveCutOff / 2
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case err := <-answer:
			return err
		case <-s.done:
			return s.Err()
		case <-timer.C:
		}
		blocked := s.gate()
		if blocked == nil {
			return fmt.Errorf("%w: %w (%v)", ErrCutOff, ErrNoAnswer, limit)
		}
		select {
		case <-blocked:
			timer.Reset(limit)
		case err := <-answer:
			return err
		case <-s.done:
			return s.Err()
		}
	}
}

// setCutOff records that the node is cut off, or with nil that it is not.
func (s *Session) setCutOff(err error) {
	s.mu.Lock()
	changed := (err != nil) != (s.cutOff != nil)
	s.cutOff = err
	s.mu.Unlock()
	if !changed {
		return
	}
	s.status.refresh(s)
	if err != nil {
		s.log.Warn("failover: the node does not answer what needs the majority of its cluster", "node", s.node)
	} else {
		s.log.Info("failover: the node has the majority of its cluster again", "node", s.node)
	}
}

// isCutOff returns nil, or why the node counts as cut off.
func (s *Session) isCutOff() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cutOff
}

// better returns a session on the first of the other nodes that has the majority, or nil. It
// gives up when the suspected session ends by itself, or its node has answered after all.
func (d *dialer) better(ctx context.Context, suspected *Session) *Session {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !suspected.run(func() {
		select {
		case <-suspected.done:
			cancel()
		case <-ctx.Done():
		}
	}) {
		return nil
	}
	left := d.last
	for _, i := range d.plan() {
		if i == left || ctx.Err() != nil {
			continue
		}
		next, err := d.try(ctx, i)
		if suspected.isCutOff() == nil {
			if next != nil {
				next.end(ErrClosed)
			}
			return nil
		}
		if err == nil {
			d.errs[left] = fmt.Errorf("node %s: %w", suspected.node, ErrCutOff)
			d.last, d.errs[i] = i, nil
			d.log.Warn("failover: the node is left for another", "node", suspected.node, "next", next.node)
			return next
		}
		if ctx.Err() == nil {
			d.errs[i] = fmt.Errorf("node %s: %w", d.nodes[i].Address(), err)
		}
		d.log.Info("failover: this node is not better", "node", d.nodes[i].Address(), "error", err)
	}
	d.status.setCutOffs(d.status.cutOffs() + 1)
	return nil
}

// try connects to a node and asks whether it has the majority.
func (d *dialer) try(ctx context.Context, i int) (*Session, error) {
	next, err := d.connect(ctx, d.nodes[i])
	if err != nil {
		return nil, err
	}
	answer := next.askOnce()
	failed := make(chan error, 1)
	d.running.Go(func() { failed <- next.await(answer) })
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = ended(ctx)
	}
	if err != nil {
		next.end(ErrClosed) // AMQP's close may have no answer either
		return nil, err
	}
	return next, nil
}

// khepri reports whether the broker is one that may not pause when it is cut off.
func khepri(properties amqp.Table) bool {
	product, _ := properties["product"].(string)
	version, _ := properties["version"].(string)
	first, _, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(first)
	return product == "RabbitMQ" && err == nil && major >= 4
}

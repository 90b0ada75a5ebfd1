package declare

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/logattr"
)

// How long to wait for a queue that is declared again. Once one has not answered for slowAnswer,
// other queues are asked about meanwhile.
const (
	slowAnswer  = 250 * time.Millisecond
	QueueAnswer = 2 * time.Second
)

// declareChannels is how many queues are asked about at a time once one does not answer. Up to that
// many may be down, and the others are still declared within QueueAnswer.
const declareChannels = 64

// Waits between attempts to declare the queues that are down, doubling.
const (
	firstAgain = time.Second
	lastAgain  = 30 * time.Second
)

// Declarations declare the broker's topology on one of its connections: once for each session, for
// all the channels that open on it.
type Declarations struct {
	life       *life.Life
	topology   func(*failover.Session) broker.Topology
	unanswered *unanswered

	mu     sync.Mutex
	latest *declaration
	down   []string // what is declared again in the background
}

// New returns the declarations of one connection. topology returns what a session declares.
func New(l *life.Life, topology func(*failover.Session) broker.Topology) *Declarations {
	return &Declarations{life: l, topology: topology, unanswered: newUnanswered()}
}

// declaration is one run.
type declaration struct {
	session  *failover.Session
	topology broker.Topology
	begun    time.Time
	done     chan struct{}
	err      error         // set before done is closed
	replaced chan struct{} // closed when it is no longer the latest
}

func (l *declaration) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// On returns once the topology has been declared on the session, except queues that are down, by a
// declaration that began later than after: a caller that lost a channel at that moment may have
// lost a queue with it.
func (d *Declarations) On(ctx context.Context, session *failover.Session, after time.Time) (broker.Topology, error) {
	for {
		if err := session.Err(); err != nil {
			return broker.Topology{}, life.ClosedOr(err)
		}
		l := d.join(session, after) //nolint:contextcheck // not the caller's context: other callers wait too
		select {
		case <-l.done:
		case <-ctx.Done():
			return broker.Topology{}, life.Ended(ctx)
		}
		if l.session == session && !l.begun.Before(after) {
			return l.topology, l.err
		}
	}
}

// join returns the declaration in progress, or the latest if it is new enough, or starts one.
func (d *Declarations) join(session *failover.Session, after time.Time) *declaration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.latest; l != nil && (!l.over() || l.session == session && l.err == nil && !l.begun.Before(after)) {
		return l
	}
	l := &declaration{session: session, topology: d.topology(session), begun: time.Now(), done: make(chan struct{}), replaced: make(chan struct{})}
	d.replace(l)
	known := slices.Clone(d.down)
	run := func() {
		defer close(l.done)
		l.err = d.run(l, known)
	}
	if !d.life.Go(run) {
		l.err = life.ErrClosed
		close(l.done)
	}
	return l
}

// Outdate makes the next channel declare the topology again.
func (d *Declarations) Outdate() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replace(nil)
}

// replace sets the latest. The caller holds mu.
func (d *Declarations) replace(l *declaration) {
	if d.latest != nil {
		close(d.latest.replaced)
	}
	d.latest = l
}

// Declarer returns a declarer for the session. A nil channel means that it opens one.
func (d *Declarations) Declarer(session *failover.Session, ch *amqp.Channel) *Declarer {
	return &Declarer{session: session, life: d.life, unanswered: d.unanswered, channel: ch}
}

// run declares the topology, except queues that are known to be down.
func (d *Declarations) run(l *declaration, known []string) error {
	down, err := d.declare(l.session, without(l.topology, known))
	if err == nil {
		d.keepTrying(l, down)
	}
	return err
}

// declare declares t, and returns the queues that are down.
func (d *Declarations) declare(session *failover.Session, t broker.Topology) ([]string, error) {
	ctx := d.life.Context()
	asking := d.Declarer(session, nil)
	defer asking.Close()
	if err := version.Of(session.ServerProperties()).Lacks(t.Queues); err != nil {
		return nil, err
	}
	if err := asking.exchanges(ctx, t, life.AnswerTimeout); err != nil {
		return nil, err
	}
	down, err := d.queues(ctx, asking, t.Queues)
	if err != nil {
		return nil, err
	}
	for _, b := range t.Bindings {
		if slices.Contains(down, b.Queue) {
			continue
		}
		if err = asking.binding(ctx, t, b, life.AnswerTimeout); err != nil {
			name, err := reply.QueueDown(err)
			if err != nil {
				return nil, err
			}
			down = append(down, name)
		}
	}
	return down, nil
}

// queues declares one queue after the other, until one does not answer.
func (d *Declarations) queues(ctx context.Context, asking *Declarer, queues []broker.Queue) (down []string, err error) {
	for i, q := range queues {
		err := asking.queue(ctx, q, slowAnswer)
		if errors.Is(err, reply.ErrNoAnswer) {
			more, err := d.together(ctx, asking.session, queues[i:])
			return append(down, more...), err
		}
		if err == nil {
			continue
		}
		name, err := reply.QueueDown(err)
		if err != nil {
			return nil, err
		}
		down = append(down, name)
	}
	return down, nil
}

// together declares queues at the same time, if need be each on a channel of its own.
func (d *Declarations) together(ctx context.Context, session *failover.Session, queues []broker.Queue) (down []string, err error) {
	var mu sync.Mutex
	next := func() (q broker.Queue, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil || len(queues) == 0 {
			return q, false
		}
		q, queues = queues[0], queues[1:]
		return q, true
	}
	var running sync.WaitGroup
	for range min(len(queues), declareChannels) {
		running.Go(func() {
			asking := d.Declarer(session, nil)
			defer asking.Close()
			for q, ok := next(); ok; q, ok = next() {
				name, failed := reply.QueueDown(asking.queue(ctx, q, patienceFor(q)))
				mu.Lock()
				err = cmp.Or(err, failed)
				if name != "" {
					down = append(down, name)
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return down, err
}

// patienceFor is how long to wait for a queue. An existing quorum queue answers at once, and a new
// one may take its time: without it, what is published would not reach it.
func patienceFor(q broker.Queue) time.Duration {
	if q.DeclaredType() == broker.Quorum {
		return life.AnswerTimeout
	}
	return QueueAnswer
}

// QueuesDown returns the queues that were down when they were last declared.
func (d *Declarations) QueuesDown() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.down)
}

// Forget stops declaring queues that are down.
func (d *Declarations) Forget(queues []broker.Queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = slices.DeleteFunc(d.down, func(name string) bool {
		return slices.ContainsFunc(queues, func(q broker.Queue) bool { return q.Name == name })
	})
}

// keepTrying declares what is or was down again in the background, until none is left or the
// session has ended. The next session's declaration continues with it.
func (d *Declarations) keepTrying(l *declaration, down []string) {
	d.mu.Lock()
	fresh := slices.DeleteFunc(down, func(q string) bool { return slices.Contains(d.down, q) })
	d.down = append(d.down, fresh...)
	none := len(d.down) == 0
	d.mu.Unlock()
	for _, q := range fresh {
		d.life.Log.Warn("queue not declared again: it is down", slog.String("queue", q), slog.String("node", l.session.Node()))
	}
	if !none {
		d.life.Go(func() { d.again(l) })
	}
}

// again declares the queues that are down until a newer declaration has begun.
func (d *Declarations) again(l *declaration) {
	for pause := time.Duration(0); ; pause = min(max(2*pause, firstAgain), lastAgain) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-d.unanswered.answered: // the queue may be back
		case <-l.replaced:
			return
		case <-l.session.Done():
			return
		case <-d.life.Context().Done():
			return
		}
		timer.Stop()
		tried := d.QueuesDown()
		if len(tried) == 0 {
			return
		}
		down, err := d.declare(l.session, Only(l.topology, func(q string) bool { return slices.Contains(tried, q) }))
		if err != nil {
			d.life.Log.Warn("queues that were down not declared", logattr.Err(err))
			continue
		}
		d.back(tried, down)
	}
}

// back notes which of the queues that were tried are no longer down.
func (d *Declarations) back(tried, down []string) {
	back := slices.DeleteFunc(tried, func(q string) bool { return slices.Contains(down, q) })
	d.mu.Lock()
	d.down = slices.DeleteFunc(d.down, func(q string) bool { return slices.Contains(back, q) })
	d.mu.Unlock()
	for _, q := range back {
		d.life.Log.Info("queue declared again: it is back", slog.String("queue", q))
	}
}

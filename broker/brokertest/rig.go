package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

const (
	patience = 10 * time.Second       // for what must happen
	quiet    = 150 * time.Millisecond // for what must not
	lifetime = 2 * time.Minute        // of an unused queue
)

// rig is a broker for one case, with unique names.
type rig struct {
	testing.TB
	broker broker.Broker
	why    string
	id     string
	abilities
}

var (
	started = time.Now().UnixNano()
	counter atomic.Int64
)

func newRig(tb testing.TB, b broker.Broker, why string) *rig {
	tb.Helper()
	r := &rig{TB: tb, broker: b, why: why, id: fmt.Sprintf("brokertest-%x-%d", started, counter.Add(1))}
	tb.Cleanup(func() {
		if err := b.Close(r.background()); err != nil {
			tb.Errorf("closing the broker: %v", err)
		}
	})
	return r
}

// name returns a name that is unique to this case. The same word gives the same name.
func (r *rig) name(word string) string { return r.id + "-" + word }

// background is a context for calls that must end, in cleanups too.
func (r *rig) background() context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), patience)
	r.Cleanup(cancel)
	return ctx
}

// failf ends the case and says why it matters.
func (r *rig) failf(format string, args ...any) {
	r.Helper()
	r.Fatalf("%s\nwhat should be: %s", fmt.Sprintf(format, args...), r.why)
}

func (r *rig) ok(err error, doing string) {
	r.Helper()
	if err != nil {
		r.failf("%s: %v", doing, err)
	}
}

func (r *rig) is(err, want error, doing string) {
	r.Helper()
	if !errors.Is(err, want) {
		r.failf("%s: the error is %v, not one that wraps %q", doing, err, want)
	}
}

func (r *rig) declare(t broker.Topology) {
	r.Helper()
	r.ok(r.broker.Declare(r.background(), t), "declare")
}

// queue declares a queue with a unique name, made of word, and returns the name.
func (r *rig) queue(word string, q broker.Queue) string {
	r.Helper()
	q.Name = r.name(word)
	if q.Expires == 0 {
		q.Expires = lifetime
	}
	r.declare(broker.Topology{Queues: []broker.Queue{q}})
	return q.Name
}

// exchange declares an exchange with a unique name, made of word, and returns the
// name. It is deleted with the last queue that is bound to it.
func (r *rig) exchange(word string, x broker.Exchange) string {
	r.Helper()
	x.Name = r.name(word)
	x.AutoDelete = true
	r.declare(broker.Topology{Exchanges: []broker.Exchange{x}})
	return x.Name
}

func (r *rig) bind(exchange, queue, key string, arguments processor.Headers) {
	r.Helper()
	r.declare(broker.Topology{Bindings: []broker.Binding{
		{Exchange: exchange, Queue: queue, RoutingKey: key, Arguments: arguments},
	}})
}

func (r *rig) try(to processor.Destination, e processor.Envelope) error {
	return r.broker.Publisher().Publish(r.background(), to, e)
}

// send publishes to an exchange.
func (r *rig) send(exchange, key string, e processor.Envelope) {
	r.Helper()
	to := processor.Destination{Exchange: exchange, RoutingKey: key}
	r.ok(r.try(to, e), "publish to "+to.String())
}

// fill publishes bodies to a queue.
func (r *rig) fill(queue string, bodies ...string) {
	r.Helper()
	for _, body := range bodies {
		r.send("", queue, text(body))
	}
}

func text(body string) processor.Envelope { return processor.Envelope{Body: []byte(body)} }

// pass lets d go by, by the broker's own clock.
func (r *rig) pass(d time.Duration) {
	r.Helper()
	bell := r.queue("bell", broker.Queue{})
	hourglass := r.queue("hourglass "+d.String(), broker.Queue{MessageTTL: d, DeadLetter: toQueue(bell)})
	r.fill(hourglass, "time's up")
	c := r.subscribe(bell, 1)
	c.expect("time's up")
	c.shut()
}

// toQueue dead-letters straight to a queue.
func toQueue(name string) *broker.DeadLetter { return &broker.DeadLetter{RoutingKey: name} }

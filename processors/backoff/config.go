package backoff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// maxCount is the highest count: libraries of other languages cannot read integers of 2^31 and
// more, and one retry is still added.
const maxCount = math.MaxInt32 - 1

type config struct {
	queue      string
	top        policy // for errors without a policy of their own
	policies   []policy
	final      *processor.Destination
	strategy   delay.Strategy
	delayer    delay.Delayer
	keepTrying time.Duration
	notify     func(context.Context, Event)
	stack      bool
	log        *slog.Logger
	normal     func() float64 // a random number of the normal distribution
}

// configure applies the options and asks for the delays.
func configure(queue string, opts []Option) (*config, error) {
	c := &config{queue: queue, keepTrying: DefaultKeepTrying, normal: rand.NormFloat64}
	for i, o := range opts {
		if isNil(o) {
			return nil, fmt.Errorf("backoff: option %d is nil: leave it out", i+1)
		}
		o.apply(c)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	schedule, limit, jitter := DefaultIntervals(), DefaultRetries, DefaultJitter
	c.top.inherit(policy{schedule: &schedule, limit: &limit, jitter: &jitter})
	for i := range c.policies {
		c.policies[i].number = i + 1
		c.policies[i].inherit(c.top)
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	return c, nil
}

func isNil(o Option) bool {
	p, ok := o.(PolicyOption)
	return o == nil || ok && p == nil
}

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("backoff: "+format, args...))
	}
	if c.queue == "" || len(c.queue) > processor.MaxName {
		fail("the queue's name has %d bytes: it must have from 1 to %d", len(c.queue), processor.MaxName)
	}
	for _, problem := range c.top.check() {
		fail("%w", problem)
	}
	for i := range c.policies {
		for _, problem := range c.policies[i].check() {
			fail("policy %d: %w", i+1, problem)
		}
	}
	if c.final != nil {
		if problem := c.finalProblem(); problem != "" {
			fail("Park is %v: %s", c.final, problem)
		}
	}
	errs = append(errs, option.NotNegative("backoff: KeepTrying", c.keepTrying))
	return errors.Join(errs...)
}

// finalProblem says why no message can be parked.
func (c *config) finalProblem() string {
	switch *c.final {
	case processor.Destination{}:
		return "name a queue or an exchange"
	case processor.Destination{RoutingKey: c.queue}:
		return "that is the work queue, and a parked message would come back for ever: name another"
	}
	if len(c.final.Exchange) > processor.MaxName || len(c.final.RoutingKey) > processor.MaxName {
		return fmt.Sprintf("a name is over %d bytes: shorten it", processor.MaxName)
	}
	return ""
}

// prepare passes all delays to the strategy.
func (c *config) prepare() error {
	all, exact := c.delays()
	strategy := c.strategy
	if strategy == nil {
		strategy = delay.Ladder()
		if exact {
			strategy = delay.Steps()
		}
	}
	if all != nil && !exact {
		// The delays that are known, before they are spread, must at least be possible.
		if _, err := strategy(c.queue, all); err != nil {
			return fmt.Errorf("backoff: the delays cannot be had: %w", err)
		}
		all = nil
	}
	var err error
	if c.delayer, err = strategy(c.queue, all); err != nil && all == nil {
		return fmt.Errorf("backoff: the delays cannot be had, and not all of them are known, because of Func, or of Jitter (%v by default, 0 for none): %w", DefaultJitter, err)
	} else if err != nil {
		return fmt.Errorf("backoff: the delays cannot be had: %w", err)
	}
	switch {
	case c.delayer == nil:
		return errors.New("backoff: the strategy of the delays returned none")
	case c.final != nil && leadsInto(c.delayer.Topology(), *c.final):
		return fmt.Errorf("backoff: Park is %v: that is one of the delays, and a parked message would come back: name another", c.final)
	}
	return nil
}

// delays are those of all schedules, each once, in order; nil if any are computed. exact means that
// they are not spread.
func (c *config) delays() (all []time.Duration, exact bool) {
	exact = true
	for _, p := range append([]policy{c.top}, c.policies...) {
		if p.schedule.all == nil {
			return nil, false
		}
		all = append(all, p.schedule.all...)
		exact = exact && *p.jitter == 0
	}
	slices.Sort(all)
	return slices.Compact(all), exact
}

// checkPlace returns an error if the topology of the delays cannot be where p publishes to.
func checkPlace(p processor.Publisher, delays delay.Delayer) error {
	if problem := broker.CheckTopology(p, delays.Topology()); problem != nil {
		return fmt.Errorf("backoff: the delays cannot be had with this publisher: %w", problem)
	}
	return nil
}

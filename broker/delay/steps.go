package delay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// stepMark is between the name of the work queue and the rest of a step's name.
const stepMark = ".delay.v1."

// Steps is the strategy of a queue for each distinct delay of a work queue, such as
// mail.delay.v1.quorum.30s: one hop, and the most exact. The delays must be known. One
// that is not among them becomes the next longer one; [ErrTooLong] if there is none.
// Delays are whole milliseconds, rounded up.
//
// Options are [Classic] and [MaxLength]. The name of a queue contains its settings,
// so that other options or delays make other queues, and never a mismatch.
func Steps(opts ...Option) Strategy {
	return func(queue string, all []time.Duration) (Delayer, error) {
		c, err := newConfig("Steps", opts, "Classic", "MaxLength")
		if err = errors.Join(err, checkTarget(queue)); err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, errors.New("delay: Steps needs to know all delays: use Ladder where they are computed, or asked for by handlers")
		}
		if d := slices.Max(all); d > tenYears {
			return nil, fmt.Errorf("%w for a queue of RabbitMQ", &TooLongError{Asked: d, Longest: tenYears})
		}
		s := &steps{config: c, queue: queue, delays: wholeMillis(all)}
		if err := s.check(); err != nil {
			return nil, err
		}
		return s, nil
	}
}

type steps struct {
	config
	queue  string
	delays []time.Duration // ascending, each once
}

var _ Delayer = (*steps)(nil)

// wholeMillis returns the delays that need a queue, sorted.
func wholeMillis(all []time.Duration) []time.Duration {
	var delays []time.Duration
	for _, d := range all {
		if d > 0 {
			delays = append(delays, multiple(d, time.Millisecond))
		}
	}
	slices.Sort(delays)
	return slices.Compact(delays)
}

func (s *steps) check() error {
	for _, d := range s.delays {
		if name := s.name(d); len(name) > processor.MaxName {
			return fmt.Errorf("delay: the queue %q would have a name of %d bytes, the limit is %d: shorten the work queue's", name, len(name), processor.MaxName)
		}
	}
	if err := s.Topology().Validate(); err != nil {
		return fmt.Errorf("delay: %w", err)
	}
	return nil
}

func (s *steps) prefix() string { return s.queue + stepMark }

func (s *steps) name(d time.Duration) string {
	return s.prefix() + string(s.kind()) + "." + short(d) + s.bound()
}

// Topology lists the queues of all steps.
func (s *steps) Topology() broker.Topology {
	t := broker.Topology{Owned: owned(s.queue)}
	for _, d := range s.delays {
		t.Queues = append(t.Queues, s.waiting(s.name(d), d, broker.DeadLetter{RoutingKey: s.queue}))
	}
	return t
}

// Delay publishes to the queue of the shortest step that is long enough.
func (s *steps) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error {
	to := processor.Destination{RoutingKey: s.queue}
	if d > 0 {
		i, _ := slices.BinarySearch(s.delays, d)
		if i == len(s.delays) {
			return &TooLongError{Asked: d, Longest: s.longestStep()}
		}
		to.RoutingKey = s.name(s.delays[i])
	}
	e = clean(e)
	republish.SavePriority(e)
	if err := broker.FitsLater(e, 1, 2*len(to.RoutingKey)); err != nil {
		return err
	}
	return publish(ctx, p, to, e)
}

func (s *steps) longestStep() time.Duration {
	if len(s.delays) == 0 {
		return 0
	}
	return s.delays[len(s.delays)-1]
}

// Waits adds up the deaths in the steps, present and former.
func (s *steps) Waits(h processor.Headers) int64 {
	var sum int64
	for d := range deaths(h) {
		if strings.HasPrefix(d.queue, s.prefix()) {
			sum = add(sum, d.count)
		}
	}
	return sum
}

func (s *steps) String() string {
	words := []string{"steps"}
	for _, d := range s.delays {
		words = append(words, short(d))
	}
	if len(s.delays) == 0 {
		words = append(words, "none")
	}
	return strings.Join(words, " ") + ", " + s.about()
}

package delay

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Ladder is the strategy of delays of any length, for all services of a vhost: a level for
// each power of two of a unit, in which a message waits if its delay has that bit. Delays
// are rounded up to units. The package documentation has its structure and its rules.
//
// Options are [Unit], [Longest], [Classic] and, but not with Classic, [MaxLength]. A longer
// ladder adds levels to a shorter one and leaves existing ones as they are.
func Ladder(opts ...Option) Strategy {
	return func(queue string, all []time.Duration) (Delayer, error) {
		c, err := newConfig("Ladder", opts, "Classic", "MaxLength", "Unit", "Longest")
		if c.classic && c.maxLength > 0 {
			err = errors.Join(err, errors.New("delay: a ladder of classic queues loses what comes down to a level that is full: leave out Classic or MaxLength"))
		}
		if err = errors.Join(err, checkTarget(queue)); err != nil {
			return nil, err
		}
		l := &ladder{config: c, queue: queue, levels: bits.Len64(units(c.longest, c.unit))}
		if err := l.check(all); err != nil {
			return nil, err
		}
		return l, nil
	}
}

// ladderPrefix begins the names of all ladders.
const ladderPrefix = "warren.delay.v1."

type ladder struct {
	config
	queue  string
	levels int
}

var _ Delayer = (*ladder)(nil)

func (l *ladder) check(all []time.Duration) error {
	for _, d := range all {
		if units(d, l.unit) > l.most() {
			return fmt.Errorf("%w: give the ladder the option Longest", &TooLongError{Asked: d, Longest: l.top()})
		}
	}
	if err := l.Topology().Validate(); err != nil {
		return fmt.Errorf("delay: %w", err)
	}
	return nil
}

// units is d in units, rounded up, and 0 for a delay of none.
func units(d, unit time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/unit) + 1 //nolint:gosec // it is positive
}

// multiple is d, rounded up to a multiple of unit. It is positive.
func multiple(d, unit time.Duration) time.Duration {
	return time.Duration(units(d, unit)) * unit //nolint:gosec // no more than d was
}

// most is the longest delay in units: all levels.
func (l *ladder) most() uint64 { return 1<<l.levels - 1 }

// top is the longest delay.
func (l *ladder) top() time.Duration { return time.Duration(l.most()) * l.unit } //nolint:gosec // twenty years at most

// name is that of the exchange and the queue of a level, or of another part.
func (l *ladder) name(part string) string {
	return fmt.Sprintf("%s%s.%s%s.%s", ladderPrefix, l.kind(), short(l.unit), l.bound(), part)
}

func (l *ladder) level(k int) string { return l.name(strconv.Itoa(k)) }

// Delay publishes to the highest level of the delay. The routing key, which no
// level looks at, leads from the exit to the work queue.
func (l *ladder) Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error {
	n := units(d, l.unit)
	if n > l.most() {
		return &TooLongError{Asked: d, Longest: l.top()}
	}
	e = clean(e)
	republish.SavePriority(e)
	to := processor.Destination{RoutingKey: l.queue}
	if n > 0 {
		to.Exchange = l.level(bits.Len64(n) - 1)
	}
	hops := bits.OnesCount64(n)
	for ; n > 0; n &= n - 1 {
		e.Headers[header(bits.TrailingZeros64(n))] = true
	}
	// A level's queue and exchange have one name.
	if err := broker.FitsLater(e, hops, 2*len(to.Exchange)+len(l.queue)); err != nil {
		return err
	}
	return publish(ctx, p, to, e)
}

// header is the header of a message that waits in a level.
func header(level int) string { return republish.DelayPrefix + strconv.Itoa(level) }

// Waits is the largest count of any level. A trip leads through several of them, and
// through each once, so their sum would be the number of hops.
func (l *ladder) Waits(h processor.Headers) int64 {
	var most int64
	for d := range deaths(h) {
		if l.isLevel(d.queue) {
			most = max(most, d.count)
		}
	}
	return most
}

func (l *ladder) isLevel(queue string) bool {
	level, ok := strings.CutPrefix(queue, l.name(""))
	if !ok {
		return false
	}
	_, err := strconv.ParseUint(level, 10, 8)
	return err == nil
}

func (l *ladder) String() string {
	return fmt.Sprintf("ladder of %d levels, unit %s, %s", l.levels, short(l.unit), l.about())
}

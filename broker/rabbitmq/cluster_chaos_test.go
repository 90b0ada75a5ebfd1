package rabbitmq_test

import (
	"context"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"testing"
	"time"
)

var (
	chaosTime = flag.Duration("chaos", 0, "how long TestChaos harms a cluster; 0 is not at all")
	chaosSeed = flag.Uint64("chaos.seed", 0, "the seed of TestChaos; 0 is a new one")
)

// TestChaos harms a cluster in random ways, several at a time, while a stream goes through it: make
// chaos. When interrupted it ends early and cleanly.
func TestChaos(t *testing.T) {
	if *chaosTime == 0 {
		return
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("chaos for %v, seed %d", *chaosTime, seed)
	ctx, cancel := context.WithTimeout(t.Context(), *chaosTime)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()

	w := newSite(t)
	c := &chaos{
		site: w, stream: w.start(t, 0, 1, 2), start: time.Now(),
		random: rand.New(rand.NewPCG(seed, 0)), broken: map[int]harm{},
	}
	for ctx.Err() == nil {
		c.step(t)
		c.rest(ctx)
	}
	c.mendAll(t)
	c.stream.finish(t)
	t.Logf("%8v the end, after %d faults: %v; the longest gaps with a majority: publishing %v, consuming %v",
		c.elapsed(), c.stream.harmed, c.stream, c.publishGap.Round(time.Millisecond), c.processGap.Round(time.Millisecond))
}

// chaos is a random sequence of faults.
type chaos struct {
	site   *site
	stream *stream
	start  time.Time
	random *rand.Rand
	broken map[int]harm // what each node suffers from

	dark bool // all were down, and serve no client before the last is back

	// There was no majority, and not all are back. If another one died now, those that are up might
	// wait for it: RabbitMQ does not always know which was the last.
	healing bool

	publishGap, processGap time.Duration // the longest while there was a majority
}

// most is how many nodes are broken at a time, unless all are. With so many there is no majority.
const most = 2

// step breaks or repairs something.
func (c *chaos) step(t *testing.T) {
	t.Helper()
	switch n := len(c.broken); {
	case n == 0 && c.random.IntN(10) == 0:
		for i := range c.site.nodes {
			c.harm(t, i, kill)
		}
		c.dark = true
	case n == 0, n < most && !c.healing && c.random.IntN(3) == 0:
		c.harm(t, c.pick(func(i int) bool { return !c.isBroken(i) }), c.anyHarm())
	default:
		c.mend(t, c.pick(c.isBroken))
	}
}

func (c *chaos) isBroken(i int) bool { _, ok := c.broken[i]; return ok }

// pick returns one of the nodes for which ok.
func (c *chaos) pick(ok func(int) bool) int {
	for {
		if i := c.random.IntN(len(c.site.nodes)); ok(i) {
			return i
		}
	}
}

func (c *chaos) anyHarm() harm {
	all := []harm{kill, stop, hang, cutOff}
	return all[c.random.IntN(len(all))]
}

func (c *chaos) harm(t *testing.T, i int, h harm) {
	t.Helper()
	if len(c.broken) < most {
		c.note()
	}
	c.broken[i] = h
	c.healing = len(c.broken) >= most
	c.stream.harm(t, c.site, h, i)
	c.say(t, h.name, i)
}

func (c *chaos) mend(t *testing.T, i int) {
	t.Helper()
	h := c.broken[i]
	had := len(c.broken) < most && !c.dark // a majority
	delete(c.broken, i)
	h.mend(t, c.site, c.site.nodes[i])
	c.say(t, "mend", i)
	c.dark = c.dark && len(c.broken) > 0
	c.healing = c.healing && len(c.broken) > 0
	if len(c.broken) >= most || c.dark {
		return
	}
	c.stream.flows(t)
	if had {
		c.note()
	}
	c.stream.books.Mark()
}

func (c *chaos) mendAll(t *testing.T) {
	t.Helper()
	for _, i := range slices.Sorted(maps.Keys(c.broken)) {
		c.mend(t, i)
	}
}

// note records the gaps since the mark, if there was a majority.
func (c *chaos) note() {
	b := c.stream.books.Books()
	c.publishGap, c.processGap = max(c.publishGap, b.PublishGap), max(c.processGap, b.ProcessGap)
}

func (c *chaos) say(t *testing.T, what string, i int) {
	t.Helper()
	t.Logf("%8v %-8s node %d: %v", c.elapsed(), what, i, c.stream)
}

func (c *chaos) elapsed() time.Duration { return time.Since(c.start).Round(100 * time.Millisecond) }

// rest waits for a random time, mostly a short one.
func (c *chaos) rest(ctx context.Context) {
	select {
	case <-time.After(time.Duration(min(c.random.ExpFloat64(), 4) * float64(2*time.Second))):
	case <-ctx.Done():
	}
}

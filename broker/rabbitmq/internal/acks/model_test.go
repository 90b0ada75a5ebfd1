package acks_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker/rabbitmq/internal/acks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// channel is the broker's end: it knows which deliveries are outstanding, and which may be acked.
type channel struct {
	mu          sync.Mutex
	latest      uint64
	outstanding map[uint64]bool // whether its handler has finished
	acked       int
	back        int
	log         []string
	faults      []string
	broken      error
}

func newChannel() *channel { return &channel{outstanding: map[uint64]bool{}} }

func (c *channel) deliver() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest++
	c.outstanding[c.latest] = false
	return c.latest
}

// finish is called before the ledger's Ack.
func (c *channel) finish(tag uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outstanding[tag] = true
}

// sent returns what was sent since the last call.
func (c *channel) sent() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.log
	c.log = nil
	return log
}

func (c *channel) faultf(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// take notes a settlement of tag, which must be outstanding: RabbitMQ closes the channel
// over one that is not (406, unknown delivery tag).
func (c *channel) take(tag uint64, what string) bool {
	c.log = append(c.log, what)
	_, ok := c.outstanding[tag]
	if !ok {
		c.faultf("tag %d is not outstanding", tag)
	}
	return ok
}

func (c *channel) Ack(tag uint64, multiple bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	what := fmt.Sprintf("ack %d", tag)
	if multiple {
		what += " and below"
	}
	c.take(tag, what)
	for other, finished := range c.outstanding {
		if other != tag && (!multiple || other > tag) {
			continue
		}
		if !finished {
			c.faultf("ack %d acks %d, which is not finished", tag, other)
		}
		delete(c.outstanding, other)
		c.acked++
	}
	return nil
}

func (c *channel) Nack(tag uint64, _, _ bool) error {
	return c.giveBack(tag, fmt.Sprintf("nack %d", tag))
}

func (c *channel) Reject(tag uint64, requeue bool) error {
	return c.giveBack(tag, fmt.Sprintf("reject %d %t", tag, requeue))
}

func (c *channel) giveBack(tag uint64, what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	if c.take(tag, what) {
		delete(c.outstanding, tag)
		c.back++
	}
	return nil
}

// TestNothingUnfinishedIsAcked lets workers receive and settle at random, in any order, while
// others flush and pause. Each finished delivery is acked once, and no other is.
func TestNothingUnfinishedIsAcked(t *testing.T) {
	for seed := range uint64(300) {
		m := newModel(seed)
		m.run()
		require.Empty(t, m.channel.faults, "seed %d", seed)
		require.NoError(t, m.ledger.Close())
		assert.Empty(t, m.channel.faults, "seed %d", seed)
		assert.Equal(t, m.acked, m.channel.acked, "seed %d", seed)
		assert.Equal(t, m.back, m.channel.back, "seed %d", seed)
		assert.Len(t, m.channel.outstanding, m.kept, "seed %d", seed)
	}
}

type model struct {
	ledger  *acks.Ledger[uint64]
	channel *channel
	options acks.Options
	seed    uint64

	mu                sync.Mutex
	acked, back, kept int
}

func newModel(seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 0))
	m := &model{channel: newChannel(), seed: seed, options: acks.Options{Prefetch: 1 + r.IntN(40), Singly: r.IntN(5) == 0}}
	m.ledger = acks.New[uint64](m.channel, m.options)
	return m
}

func (m *model) run() {
	const messages, workers = 300, 4
	deliveries := make(chan uint64)
	go func() {
		defer close(deliveries)
		for range messages {
			deliveries <- m.channel.deliver()
		}
	}()
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() { m.work(rand.New(rand.NewPCG(m.seed, uint64(1+w))), deliveries) })
	}
	done := make(chan struct{})
	var meddling sync.WaitGroup
	meddling.Go(func() { m.meddle(rand.New(rand.NewPCG(m.seed, 99)), done) })
	working.Wait()
	close(done)
	meddling.Wait()
}

// work holds up to three messages at a time.
func (m *model) work(r *rand.Rand, deliveries <-chan uint64) {
	var inHand []uint64
	for tag := range deliveries {
		if r.IntN(3) == 0 {
			runtime.Gosched() // others receive what came later
		}
		if m.ledger.Receive(tag, tag) {
			inHand = append(inHand, tag)
		} else {
			m.settle(m.ledger.Release(tag), &m.back) // as a pause does
		}
		for len(inHand) > r.IntN(4) {
			i := r.IntN(len(inHand))
			m.finish(r, inHand[i])
			inHand = append(inHand[:i], inHand[i+1:]...)
		}
	}
	m.mu.Lock()
	m.kept += len(inHand)
	m.mu.Unlock()
}

func (m *model) finish(r *rand.Rand, tag uint64) {
	switch r.IntN(10) {
	case 0:
		m.settle(m.ledger.Nack(tag, r.IntN(2) == 0), &m.back)
	case 1:
		m.settle(m.ledger.Release(tag), &m.back)
	default:
		m.channel.finish(tag)
		m.settle(m.ledger.Ack(tag), &m.acked)
	}
}

func (m *model) settle(err error, count *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		panic(err)
	}
	*count++
}

// meddle flushes, pauses and resumes.
func (m *model) meddle(r *rand.Rand, done <-chan struct{}) {
	for {
		select {
		case <-done:
			m.ledger.Resume()
			return
		default:
		}
		switch r.IntN(4) {
		case 0:
			_ = m.ledger.Flush()
		case 1:
			m.ledger.Pause()
			runtime.Gosched()
			m.ledger.Resume()
		case 2:
			m.ledger.Full()
			m.ledger.Oldest()
		default:
			runtime.Gosched()
		}
	}
}

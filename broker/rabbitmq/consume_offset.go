package rabbitmq

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// headerOffset is the header in which RabbitMQ gives a message's offset in its stream.
const headerOffset = "x-stream-offset"

// checkOffset returns what is wrong with the offset at which a consumer of queue would begin. It
// knows only what was declared through this broker.
func checkOffset(t broker.Topology, queue string, offset any) error {
	switch offset.(type) {
	case nil, string, int64, time.Time:
	default:
		return fmt.Errorf("the offset is a %T: use broker.OffsetFirst, OffsetLast or OffsetNext, an int64 or a time.Time", offset)
	}
	for _, q := range t.Queues {
		if q.Name != queue {
			continue
		}
		kind, _ := q.AllArguments().String("x-queue-type")
		isStream := kind == "stream"
		switch {
		case isStream && offset == nil:
			return errors.New("it is a stream: say where to begin with the Offset of broker.ConsumerOptions")
		case !isStream && offset != nil:
			return errors.New("it is no stream: leave out the Offset of broker.ConsumerOptions")
		}
	}
	return nil
}

// position is how far a channel has got in its stream. Several goroutines receive the messages, so
// it advances only over those received without a gap.
type position struct {
	mu     sync.Mutex
	tag    uint64           // everything up to it was received
	next   int64            // the offset after that
	known  bool             // whether next is known
	ahead  map[uint64]int64 // offsets, by tag, of messages received above a gap
	taking int              // goroutines that take a message now, or wait for one
	none   chan struct{}    // closed when there are none; nil if nobody waits for that
}

// take notes a goroutine that is about to take a message, until it calls done: what it takes is in nobody's books
// before that.
func (p *position) take() (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taking++
	return p.taken
}

func (p *position) taken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taking--; p.taking == 0 && p.none != nil {
		close(p.none)
		p.none = nil
	}
}

// await waits for those who take a message, once nothing more can be taken.
func (p *position) await() {
	p.mu.Lock()
	none := p.none
	if p.taking > 0 && none == nil {
		none = make(chan struct{})
		p.none = none
	}
	p.mu.Unlock()
	if none != nil {
		<-none
	}
}

// pass notes that a message was received.
func (p *position) pass(tag uint64, h processor.Headers) {
	at, ok := offsetOf(h)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ahead == nil {
		p.ahead = map[uint64]int64{}
	}
	p.ahead[tag] = at
	for at, ok := p.ahead[p.tag+1]; ok; at, ok = p.ahead[p.tag+1] {
		p.tag++
		delete(p.ahead, p.tag)
		p.next, p.known = at+1, true
	}
}

// miss notes a message that was delivered and not received: a stream takes nothing back.
func (p *position) miss(h processor.Headers) {
	at, ok := offsetOf(h)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known || at < p.next {
		p.next, p.known = at, true
	}
}

// begin returns where the next consumer begins: was, if nothing has come since then. Its first tag
// follows latest.
func (p *position) begin(was any, latest uint64) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tag, p.ahead = latest, nil
	if !p.known {
		return was
	}
	return p.next
}

func offsetOf(h processor.Headers) (int64, bool) { return h.Int64(headerOffset) }

func (g *generation) isStream() bool { return g.options.Consumer.Offset != nil }

// resumeAt returns where the consumer after those of g begins. What is in flight on g is
// redelivered when its channel is gone.
func (g *generation) resumeAt(was any) any {
	if !g.isStream() {
		return nil
	}
	begin := g.position.begin(was, g.acks.Latest())
	if oldest, ok := g.acks.Oldest(); ok && g.shared.Lost() {
		at, there := offsetOf(oldest.Headers())
		if next, known := begin.(int64); there && (!known || at < next) {
			return at
		}
	}
	return begin
}

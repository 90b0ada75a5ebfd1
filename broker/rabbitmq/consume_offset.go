package rabbitmq

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// headerOffset is where RabbitMQ says at which offset of its stream a message is.
const headerOffset = "x-stream-offset"

// checkOffset returns what is wrong with the offset that a consumer of queue is to begin at.
// What was declared by somebody else is not known.
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

// offset is where the next channel of a stream's consumer begins.
type offset struct {
	mu      sync.Mutex
	first   any   // where the first channel begins; nil if the queue is no stream
	next    int64 // behind the last message that was received
	missed  int64 // the oldest one that was delivered and not received
	known   bool
	missing bool
}

// pass notes that msg was received, or delivered and not received.
func (o *offset) pass(msg processor.Message, received bool) {
	if o.first == nil {
		return
	}
	at, ok := offsetOf(msg)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case received:
		o.next, o.known = max(o.next, at+1), true
	case !o.missing || at < o.missed:
		o.missed, o.missing = at, true
	}
}

// begin returns where the next channel begins: with the oldest message that the last one, which
// may be nil, had in hand, or behind what was received.
func (o *offset) begin(last *generation) any {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known && !o.missing {
		return o.first
	}
	at := o.next
	if o.missing && (!o.known || o.missed < at) {
		at = o.missed
	}
	o.missing = false
	if last == nil || !last.shared.Lost() {
		return at
	}
	if msg, ok := last.acks.Oldest(); ok {
		if unsettled, ok := offsetOf(msg); ok {
			at = min(at, unsettled)
		}
	}
	return at
}

func offsetOf(msg processor.Message) (int64, bool) { return msg.Headers().Int64(headerOffset) }

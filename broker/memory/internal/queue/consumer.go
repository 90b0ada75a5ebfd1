package queue

import (
	"slices"

	"github.com/gowarren/warren/broker"
)

// Consumer is a subscription as its queue sees it. The functions are called under the broker's lock.
type Consumer struct {
	Options broker.ConsumerOptions
	HasRoom func() bool
	Take    func(*Entry) // is called only while there is room

	hungry bool // it is in the queue's list
}

// hungry are the consumers with room: by priority, then the longest wait first.
type hungry []*Consumer

// feed puts a consumer behind the waiting ones of its priority, if it has room and is not
// waiting yet.
func (h *hungry) feed(c *Consumer) {
	if !c.HasRoom() || c.hungry {
		return
	}
	c.hungry = true
	at := len(*h)
	for at > 0 && (*h)[at-1].Options.Priority < c.Options.Priority {
		at--
	}
	*h = slices.Insert(*h, at, c)
}

// next takes the consumer whose turn it is, or returns nil.
func (h *hungry) next() *Consumer {
	if len(*h) == 0 {
		return nil
	}
	c := (*h)[0]
	h.forget(c)
	return c
}

// forget removes a consumer.
func (h *hungry) forget(c *Consumer) {
	c.hungry = false
	if i := slices.Index(*h, c); i >= 0 {
		*h = slices.Delete(*h, i, i+1)
	}
}

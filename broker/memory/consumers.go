package memory

import (
	"slices"
	"time"

	"github.com/gowarren/warren/broker"
)

// admit refuses a subscription beside an exclusive one.
func (q *queue) admit(o broker.ConsumerOptions) error {
	if q.exclusive || o.Exclusive && q.subscriptions > 0 {
		return inUse(q.name)
	}
	return nil
}

// join adds a subscription and delivers the messages that it has room for.
func (q *queue) join(s *subscription) {
	q.subscriptions++
	q.exclusive = s.consumer.Exclusive
	q.lease.set(time.Time{})
	q.feed(s)
	q.balance()
}

// leave removes a subscription that is paused or closed. nextHungry skips it.
func (q *queue) leave() {
	q.subscriptions--
	q.exclusive = false
	q.renewLease()
}

// feed puts a subscription behind the waiting ones of its priority, if it has room and is not
// waiting yet.
func (q *queue) feed(s *subscription) {
	if !s.hasRoom() || s.hungry {
		return
	}
	s.hungry = true
	at := len(q.hungry)
	for at > 0 && q.hungry[at-1].consumer.Priority < s.consumer.Priority {
		at--
	}
	q.hungry = slices.Insert(q.hungry, at, s)
}

// nextHungry returns the subscription whose turn it is, or nil.
func (q *queue) nextHungry() *subscription {
	for len(q.hungry) > 0 {
		s := q.hungry[0]
		q.hungry = slices.Delete(q.hungry, 0, 1)
		s.hungry = false
		if s.hasRoom() {
			return s
		}
	}
	return nil
}

// renewLease restarts the time for which a queue may be unused.
func (q *queue) renewLease() {
	if q.unused != none && q.subscriptions == 0 {
		q.lease.set(time.Now().Add(millis(q.unused)))
	}
}

// expire deletes a queue that was unused for too long. As in RabbitMQ, its messages are not
// dead-lettered.
func (q *queue) expire() {
	q.expired = true
	q.broker.remove(q)
	q.silence()
	for _, e := range q.delayed {
		q.broker.drop(q, e.message, "", "the queue expired")
	}
	q.delayed = nil
	for q.len() > 0 {
		q.broker.drop(q, q.pop().message, "", "the queue expired")
	}
}

// silence stops the queue's alarms.
func (q *queue) silence() {
	q.head.set(time.Time{})
	q.next.set(time.Time{})
	q.lease.set(time.Time{})
}

// Package alarm calls functions of a broker at times that can be moved.
package alarm

import (
	"math"
	"sync"
	"time"
)

// Clock is shared by all alarms of a broker. The broker's lock guards it and them.
type Clock struct {
	lock    sync.Locker
	alarms  sync.WaitGroup // set, or ringing
	stopped bool
}

// NewClock returns a clock whose alarms ring under lock.
func NewClock(lock sync.Locker) *Clock { return &Clock{lock: lock} }

// Stop keeps alarms from ringing and from being set.
func (c *Clock) Stop() { c.stopped = true }

// Wait waits, without the lock, until none is set or rings.
func (c *Clock) Wait() { c.alarms.Wait() }

// Alarm calls a function, under the broker's lock, at a time that can be moved.
//
// The alarm may be moved or cleared while a ring waits for the lock. The late ring does no
// harm: the function that it calls checks the clock itself.
type Alarm struct {
	clock *Clock
	ring  func()
	timer *time.Timer
	at    time.Time // zero: not set
}

// Alarm returns an alarm that calls ring. It is not set.
func (c *Clock) Alarm(ring func()) *Alarm {
	a := &Alarm{clock: c, ring: ring}
	a.timer = time.AfterFunc(math.MaxInt64, a.wake)
	a.timer.Stop()
	return a
}

// Set moves the alarm to at; a zero time clears it.
func (a *Alarm) Set(at time.Time) {
	if a.clock.stopped || a.at.Equal(at) {
		return
	}
	a.at = at
	if a.timer.Stop() {
		a.clock.alarms.Done()
	}
	if !at.IsZero() {
		a.clock.alarms.Add(1)
		a.timer.Reset(time.Until(at))
	}
}

func (a *Alarm) wake() {
	defer a.clock.alarms.Done()
	a.clock.lock.Lock()
	defer a.clock.lock.Unlock()
	if a.clock.stopped || a.at.IsZero() || time.Now().Before(a.at) {
		return
	}
	a.at = time.Time{}
	a.ring()
}

package memory

import "time"

// alarm calls a function, under the broker's mutex, at a time that can be moved. It is
// guarded by that mutex.
//
// The alarm may be moved or cleared while a ring waits for the mutex. The late ring does no
// harm: the function that it calls checks the clock itself.
type alarm struct {
	broker *Broker
	ring   func()
	timer  *time.Timer
	at     time.Time // zero: not set
}

// set moves the alarm to at; a zero time clears it.
func (a *alarm) set(at time.Time) {
	if a.broker.closed || a.at.Equal(at) {
		return // a closed broker has stopped its alarms
	}
	a.at = at
	if at.IsZero() {
		if a.timer.Stop() {
			a.broker.alarms.Done()
		}
		return
	}
	wait := time.Until(at)
	if a.timer == nil {
		a.broker.alarms.Add(1)
		a.timer = time.AfterFunc(wait, a.wake)
	} else if !a.timer.Reset(wait) {
		a.broker.alarms.Add(1)
	}
}

func (a *alarm) wake() {
	defer a.broker.alarms.Done()
	a.broker.mu.Lock()
	defer a.broker.unlock()
	if a.broker.closed || a.at.IsZero() || time.Now().Before(a.at) {
		return
	}
	a.at = time.Time{}
	a.ring()
}

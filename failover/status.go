package failover

import (
	"slices"
	"sync"
	"time"
)

// status is the state of a connection. Sessions, the dialer and the supervisor
// write it, each holding mu for a moment only; there are no callbacks.
//
// A session's own mutex may be taken while mu is held, and never the other way round.
type status struct {
	mu      sync.Mutex
	session *Session // the latest; it may be over. nil before the first
	state   State
	cut     int           // how often in a row no node had the majority
	changed chan struct{} // closed and replaced with each change
}

func newStatus() *status {
	return &status{state: State{Since: time.Now()}, changed: make(chan struct{})}
}

// view is the status at one moment. Its channel is of the same moment, so a goroutine that reads
// the view and then waits misses no change.
type view struct {
	State
	session *Session
	changed <-chan struct{}
}

func (st *status) view() view {
	st.mu.Lock()
	defer st.mu.Unlock()
	return view{st.state, st.session, st.changed}
}

// update changes the state, unless it is Closed, and wakes the waiting goroutines.
func (st *status) update(f func(*State)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state.Phase != Closed {
		f(&st.state)
		st.wake()
	}
}

// wake is called with mu held.
func (st *status) wake() {
	close(st.changed)
	st.changed = make(chan struct{})
}

// connected makes s the current session. After the end it reports false.
func (st *status) connected(s *Session, errs []error) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state.Phase == Closed {
		return false
	}
	st.session = s
	st.state = State{Phase: Connected, Node: s.node, Since: s.since, Unreachable: present(errs), Rounds: st.state.Rounds}
	st.look()
	st.wake()
	return true
}

// refresh updates the state from s. Sessions that were replaced, or are not current
// yet, change nothing.
func (st *status) refresh(s *Session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.session == s && st.state.up() {
		st.look()
		st.wake()
	}
}

// look copies from the current session whether it is over or blocked. It is called
// with mu held.
func (st *status) look() {
	reason, blocked := st.session.Blocked()
	err := st.session.Err()
	switch {
	case err != nil:
		st.state.Phase, st.state.Since, st.state.Reason, st.state.Err = Lost, time.Now(), "", err
	case blocked:
		st.state.Phase, st.state.Reason = Blocked, reason
	case st.session.isCutOff() != nil:
		st.state.Phase, st.state.Reason = CutOff, ""
	default:
		st.state.Phase, st.state.Reason = Connected, ""
	}
}

// cutOffs is how often in a row no node had the majority.
func (st *status) cutOffs() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.cut
}

func (st *status) setCutOffs(n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.cut = n
}

// roundFailed records that a round has ended without a session.
func (st *status) roundFailed(errs []error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state.Phase == Closed {
		return
	}
	st.state.Rounds++
	st.state.Phase, st.state.Unreachable = Lost, present(errs)
	if st.session != nil {
		st.state.Node = st.session.node
	}
	st.wake()
}

// close ends everything with err, the first time, and returns the current session.
// connected has either been called before, or will report false.
func (st *status) close(err error) *Session {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state.Phase != Closed {
		if st.state.up() {
			st.state.Since = time.Now()
		}
		st.state.Phase, st.state.Reason, st.state.Err = Closed, "", err
		st.wake()
	}
	return st.session
}

// present returns the errors that are not nil, in a new slice.
func present(errs []error) []error {
	return slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
}

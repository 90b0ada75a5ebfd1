package failover

import (
	"slices"
	"sync"
	"time"
)

// status is what a connection knows of itself. Sessions, the dialer and the supervisor
// write it, each holding mu for a moment only; nobody is called back.
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

// view is the status at one moment. The channel is of the same moment, so whoever looks
// and then waits misses nothing.
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

// update changes the state, unless it is at its end, and wakes those who wait.
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

// refresh looks at what has become of s. Sessions that were replaced, or are not current
// yet, change nothing.
func (st *status) refresh(s *Session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.session == s && st.state.up() {
		st.look()
		st.wake()
	}
}

// look takes over from the current session whether it is over or blocked. It is called
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

// roundFailed takes down that a round has ended without a session.
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

// present returns the errors that are not nil, in a slice of its own.
func present(errs []error) []error {
	return slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
}

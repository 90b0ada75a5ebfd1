package failover

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Phase is what a [Connection] is doing.
type Phase int

// The phases.
const (
	Connecting Phase = iota // a node is being dialled
	Connected               // there is a session
	Blocked                 // there is a session, and its node blocks publishing
	CutOff                  // there is a session, and its node has no majority; see [LeaveCutOff]
	Lost                    // there is no session, and the next attempt has not begun
	Closed                  // there will be no session any more
)

// String returns the phase in small letters.
func (p Phase) String() string {
	switch p {
	case Connecting:
		return "connecting"
	case Connected:
		return "connected"
	case Blocked:
		return "blocked"
	case CutOff:
		return "cut off"
	case Lost:
		return "lost"
	case Closed:
		return "closed"
	}
	return "phase " + strconv.Itoa(int(p))
}

// State is what a [Connection] is doing at one moment. It holds no password.
type State struct {
	Phase Phase

	// Node is the host and port of the node that is connected or being dialled, or else of the
	// last session.
	Node string

	// Since is when the session began; without one, when the last one ended.
	Since time.Time

	// Reason is why the node blocks publishing; empty unless Blocked.
	Reason string

	// Err is why there is no session: why the last one ended, which wraps [ErrLost], or
	// what [Connection.Session] returns once it is Closed. It is nil while there is one.
	Err error

	// Unreachable has an error for each node that failed when it was last dialled, also
	// while another one is connected. Each error names its node; one that refused the
	// credentials wraps [ErrAuth].
	Unreachable []error

	// Rounds is how many rounds of attempts have ended without a session, those of [Dial] included.
	Rounds int
}

// String returns the state in one line.
func (s State) String() string {
	parts := []string{fmt.Sprintf("%v, node %s since %s", s.Phase, s.Node, s.Since.Format(time.RFC3339))}
	if s.Reason != "" {
		parts = append(parts, s.Reason)
	}
	for _, err := range append([]error{s.Err}, s.Unreachable...) {
		if err != nil {
			parts = append(parts, err.Error())
		}
	}
	return strings.Join(parts, "; ")
}

// up reports whether there is a session.
func (s State) up() bool { return s.Phase == Connected || s.Phase == Blocked || s.Phase == CutOff }

// why joins all known reasons why there is no session.
func (s State) why() error { return errors.Join(append([]error{s.Err}, s.Unreachable...)...) }

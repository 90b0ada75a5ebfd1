package stack

import "github.com/gowarren/warren/processor"

// Role is what a layer does to a message, as far as the order of layers matters.
type Role string

// The roles that a stack knows about.
const (
	// Settles: acks or nacks the message when the inner layers return.
	Settles Role = "settles"
	// Retries: publishes a copy of the message when the inner layers fail, and
	// returns nil.
	Retries Role = "retries"
	// Recovers: turns a panic of the inner layers into an error.
	Recovers Role = "recovers"
	// Catches: turns an error of the inner layers into success.
	Catches Role = "catches"
	// Judges: decides about a message itself, by an error or by success.
	Judges Role = "judges"
	// GivesUp: ends the retries of a message that has failed too often.
	GivesUp Role = "gives up"
	// Repeats: calls the inner layers again in place when they fail.
	Repeats Role = "repeats"
	// Transacts: commits when the inner layers succeed, and rolls back when they fail.
	Transacts Role = "transacts"
	// Marks: remembers a message as processed when the inner layers succeed, and lets
	// it through no second time.
	Marks Role = "marks"
	// Limits: ends the context of the inner layers.
	Limits Role = "limits"
	// Decodes: gives the inner layers other content than the message came with.
	Decodes Role = "decodes"
	// Counts: counts messages.
	Counts Role = "counts"
	// Waits: makes a message wait before it goes on.
	Waits Role = "waits"
	// Breaks: lets no message through while the inner layers keep failing.
	Breaks Role = "breaks"
	// Answers: publishes a reply for each message that is not processed again; see [Fate].
	Answers Role = "answers"
	// Responds: publishes what the inner layers return when they succeed.
	Responds Role = "responds"
	// Stores: writes what the inner layers return into the transaction of an outer layer.
	Stores Role = "stores"
)

// Layer is implemented by processors with a name and a role. All shipped ones have them; a
// processor of your own need not, and is then allowed anywhere.
type Layer interface {
	// Name is the name of the layer in errors, such as "retry".
	Name() string
	// Role is what it does; "" where the order does not matter.
	Role() Role
}

// Needer is implemented by a layer or handler that works only inside one of certain roles.
type Needer interface {
	Layer
	// Needs returns the roles, of which one is enough, and what to put into the stack where none is there.
	Needs() (oneOf []Role, remedy string)
}

// Brancher is implemented by a handler that passes each message on to one of several.
type Brancher interface {
	// Branches returns the handlers. The stack checks the layers inside each as if it was the only one.
	Branches() []processor.Processor
}

// roleOf is the layer's role, "" if it says nothing.
func roleOf(p processor.Processor) Role {
	if l, ok := p.(Layer); ok {
		return l.Role()
	}
	return ""
}

package processortest

import (
	"testing"

	"github.com/gowarren/warren/processor"
)

// Contract says what a middleware does beyond the duties of all middlewares. Only New is
// required.
type Contract struct {
	// New returns the middleware under test, fresh for each case.
	New func(tb testing.TB) processor.Middleware
	// Settles: it settles the message when the inner layers return.
	Settles bool
	// Absorbs: it may return nil for the handler's error.
	Absorbs bool
	// Recovers: it turns panics into errors.
	Recovers bool
	// Repeats: it may call the handler again in place when the handler has failed.
	// Without it each message reaches the handler exactly once.
	Repeats bool
	// RepublishFails: the publisher that New gives to the middleware fails.
	RepublishFails bool
	// Allocates: its success path may allocate, for a context value or a timer. The
	// reason belongs in its documentation.
	Allocates bool
}

// check is one case of the suite.
type check struct {
	name string
	// why is printed when the case fails.
	why string
	run func(t *testing.T, c Contract) (problem string)
}

// TestMiddleware runs the conformance suite on a middleware. Each case is a subtest, and
// says when it fails which duty of a processor it checks. The suite counts
// allocations, so t must not be parallel.
func TestMiddleware(t *testing.T, c Contract) {
	t.Helper()
	for _, k := range checks {
		t.Run(k.name, func(t *testing.T) {
			if problem := k.run(t, c); problem != "" {
				t.Errorf("%s\n\twhy it matters: %s", problem, k.why)
			}
		})
	}
}

var checks = []check{
	{
		"passes success through",
		"the handler's success is the stack's, on the same message and context; a layer that hides it makes a message fail that did not, and headers that it changes are what an outer layer republishes",
		passesSuccess,
	},
	{
		"allocates nothing on success",
		"every message pays for every layer; what a layer needs it allocates when the stack is built",
		allocatesNothing,
	},
	{
		"keeps the error chain",
		"outer layers and users decide by errors.Is, errors.As and processor.Decide; an error that is replaced is decided wrongly, and a handler that is called again by surprise does its work twice",
		keepsErrors,
	},
	{
		"settles at most once",
		"a second settlement closes the channel, with every message in flight on it",
		settlesOnce,
	},
	{
		"is safe for many goroutines",
		"a consumer calls one pipeline from all its workers",
		isConcurrent,
	},
	{
		"honours a cancelled context",
		"at shutdown a layer that goes on working holds up the deadline, and one that acks loses the message",
		honoursContext,
	},
	{
		"treats a panic as it says",
		"catching panics is the job of one layer; any other that swallows one hides a bug, or acks the message that caused it",
		treatsPanic,
	},
	{
		"keeps its word",
		"the table of outcomes that a pipeline describes itself by is made of what each layer says; a layer that says nothing is taken to pass on what it gets",
		keepsItsWord,
	},
}

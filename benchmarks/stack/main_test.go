// Package stack_test measures what the layers of a stack cost for each message: Warren's,
// the same written by hand as closures, and Watermill's middlewares.
//
// Every contender processes a message that is made for it, with a header map of its own, as a
// broker's client delivers it. BenchmarkMessage has the price of that alone.
package stack_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // logging is not measured
	goleak.VerifyTestMain(m)
}

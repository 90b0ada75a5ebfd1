// Package memory_test measures the round trip of a message through a broker in the
// process: published, delivered to a running consumer, and acked.
package memory_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // logging is not measured
	goleak.VerifyTestMain(m)
}

// Package rabbitmq_test measures publishing and consuming on a real RabbitMQ node,
// Warren beside the raw client. Both do the same: persistent and mandatory messages,
// each with its own confirm that is waited for, on one channel shared by the same number
// of goroutines; and the same prefetch and workers, each message acked singly.
//
// Only the ratio within one run counts: the two take turns on the same node, so that other load on
// the machine slows both.
package rabbitmq_test

import (
	"log/slog"
	"testing"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// Package redelivery_test measures retries that the queue itself delays (processors/redelivery)
// beside retries by copies (processors/retry), on a real RabbitMQ node: messages that fail
// once, wait for 100 ms and then succeed, in a full stack. Both have quorum queues.
//
// Only the ratio within one run counts: the two take turns on the same node, so that other load on
// the machine slows both.
package redelivery_test

import (
	"log/slog"
	"testing"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

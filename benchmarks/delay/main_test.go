// Package delay_test measures how late delayed messages arrive, with each strategy of broker/delay
// on a real RabbitMQ node: a thousand messages in flight, with delays from 50 ms to 30 s. Lateness
// runs from the end of the delay, counted from before the publish, to the receipt of the message;
// so it includes the publish.
package delay_test

import (
	"log/slog"
	"testing"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

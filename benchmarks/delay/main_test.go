// Package delay_test measures how late a message comes that was asked for later, with each
// strategy of broker/delay on a real RabbitMQ node: a thousand messages in flight, with
// delays from 50 ms to 30 s. Late is from the end of the delay, counted from before the
// publish, to the moment when the message is received; so it has the publish in it.
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

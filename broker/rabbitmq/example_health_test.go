package rabbitmq_test

import (
	"context"
	"errors"
	"log"
	"net/http"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
)

// Probes for Kubernetes. While a broker is away or blocks, the program is not ready, and a restart
// would not help. Only a connection that has given up ([failover.MaxRounds]) needs one.
func ExampleBroker_Health() { //nolint:testableexamples // it needs a broker
	ctx := context.Background()
	b, err := rabbitmq.Open(ctx, []string{"amqp://broker1:5672;amqp://broker2:5672"})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = b.Close(ctx) }()

	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		// b.Consuming().Ready() in a program that publishes nothing.
		if err := b.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/live", func(w http.ResponseWriter, _ *http.Request) {
		if err := b.Health(); errors.Is(err, failover.ErrClosed) {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}

package failover_test

import (
	"context"
	"log"
	"net/http"

	"github.com/gowarren/warren/failover"
)

// The state of the connection, for a log and for a health endpoint.
func ExampleConnection_Watch() { //nolint:testableexamples // it needs a broker
	ctx := context.Background()
	connection, err := failover.Dial(ctx, []string{"amqp://broker1:5672;amqp://broker2:5672"})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = connection.Close(ctx) }()

	go func() {
		for state := range connection.Watch(ctx) { // until Close
			log.Print(state)
		}
	}()
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := connection.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}

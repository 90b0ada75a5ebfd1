package failover_test

import (
	"context"
	"log"
	"time"

	"github.com/gowarren/warren/failover"
)

// Tokens that expire: each dial asks for one, and a renewed one is given to the broker on the open
// connection.
func ExampleCredentials() { //nolint:testableexamples // it needs a broker
	ctx := context.Background()
	fetch := func(context.Context) (token string, err error) { return "...", nil } // the identity provider

	connection, err := failover.Dial(ctx, []string{"amqps://one;two"},
		failover.Credentials(func(ctx context.Context, _ failover.Endpoint) (user, password string, err error) {
			password, err = fetch(ctx)
			return "worker", password, err
		}))
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = connection.Close(ctx) }()

	for range time.Tick(10 * time.Minute) {
		token, err := fetch(ctx)
		if err == nil {
			err = connection.UpdateSecret(ctx, token, "the token expires")
		}
		if err != nil {
			log.Print(err)
		}
	}
}

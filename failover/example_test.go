package failover_test

import (
	"fmt"

	"github.com/gowarren/warren/failover"
)

// One string may hold several nodes. What is printed holds no password.
func ExampleParseURLs() {
	nodes, err := failover.ParseURLs([]string{
		"amqps://worker:s3cret@one/mail;worker:s3cret@two/mail",
		"amqp://[::1]:5673?heartbeat=5",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, node := range nodes {
		fmt.Println(node)
	}

	_, err = failover.ParseURLs([]string{"amqp://worker:s3/cret@one"})
	fmt.Println(err)

	// Output:
	// amqps://one:5671/mail
	// amqps://two:5671/mail
	// amqp://[::1]:5673/%2F
	// failover: wrong URL: number 1: it has an @ in a wrong place; in user, password and vhost, @ : / ? # % ; must be percent-encoded
}

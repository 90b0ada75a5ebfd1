package failover

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The SASL mechanisms.
const (
	plain    = "PLAIN"
	amqplain = "AMQPLAIN"
	external = "EXTERNAL"
)

// login sends the credentials, and asks the broker to report when it refuses them.
//
// RabbitMQ silently drops the socket of a client that gave a wrong password, after seconds,
// unless the client has announced authentication_failure_close. That
// silence looks just like a node that dies during the handshake, but only a refusal should end
// [Dial]. The client announces a fixed list of capabilities,
// which it writes into the properties right before it asks for the response; so Response
// can add one more. If the client changes that, refusals are
// silent again, and TestWrongPassword fails.
type login struct {
	mechanism  string
	user       string
	password   secret
	properties amqp.Table // of this dial
}

var _ amqp.Authentication = login{}

// Mechanism returns the name of the SASL mechanism.
func (l login) Mechanism() string { return l.mechanism }

// Response returns the credentials in the mechanism's own form.
func (l login) Response() string {
	if capabilities, ok := l.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	switch l.mechanism {
	case amqplain:
		return (&amqp.AMQPlainAuth{Username: l.user, Password: l.password()}).Response()
	case external:
		return (&amqp.ExternalAuth{}).Response()
	}
	return (&amqp.PlainAuth{Username: l.user, Password: l.password()}).Response()
}

// logins are the ways to log in to e, the preferred one first.
func logins(e Endpoint, properties amqp.Table) []amqp.Authentication {
	mechanisms := e.mechanisms
	if len(mechanisms) == 0 {
		mechanisms = []string{plain}
	}
	all := make([]amqp.Authentication, 0, len(mechanisms))
	for _, m := range mechanisms {
		all = append(all, login{mechanism: m, user: e.user, password: e.password, properties: properties})
	}
	return all
}

// explain marks a refusal with [ErrAuth]. Only an error from the broker counts: the client
// makes up a 403 whenever a socket is closed during the login.
func explain(err error) error {
	var reply *amqp.Error
	if !errors.As(err, &reply) || reply.Code != amqp.AccessRefused && reply.Code != amqp.NotAllowed {
		return err
	}
	switch {
	case !reply.Server:
		return fmt.Errorf("the node went away during the login, which may or may not mean this: %w", err)
	case strings.Contains(reply.Reason, "connection limit"):
		return err // also a 530, but one that passes
	}
	return fmt.Errorf("%w: %w", ErrAuth, err)
}

// Package failover keeps an AMQP connection to one of several nodes.
//
// [Dial] tries the nodes in turn and returns a [Connection]. One goroutine owns that
// connection from then on: when the node goes away it dials the next one, with a
// backoff between full rounds, until [Connection.Close].
//
// A [Session] is one live AMQP connection, one generation of the Connection. Channels
// belong to a session and die with it; whoever uses them takes the next session and
// starts again:
//
//	for {
//		session, err := connection.Session(ctx)
//		if err != nil {
//			return err // ctx is over, or the connection is closed
//		}
//		channel, err := session.Channel(ctx)
//		...
//		<-session.Done()
//	}
//
// Nothing is replayed behind the caller's back: delivery tags start again at 1 on a new
// channel, so settling an old delivery on it would remove somebody else's message. The
// client's own recovery does just that and is never used.
//
// # URLs
//
// Each node is a URL as RabbitMQ has them, with credentials, vhost and parameters of
// its own:
//
//	amqp://user:password@host:5672/vhost?heartbeat=10&connection_timeout=5000
//
// The scheme is amqp or amqps. The parameters are heartbeat (seconds),
// connection_timeout (milliseconds), channel_max, auth_mechanism (plain, amqplain or
// external) and, for amqps, cacertfile, certfile, keyfile and server_name_indication.
// They name local files: take URLs from operators only. One string may hold several
// nodes with ; between them, as kombu writes it, and a part without a scheme has that
// of the part before it:
//
//	amqp://user:password@a;user:password@b
//
// In credentials and vhosts the characters @ : / ? # % ; must be percent-encoded. A
// password appears in no error, log record or String.
package failover

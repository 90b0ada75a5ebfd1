// Package failover keeps an AMQP connection to one of several nodes.
//
// [Dial] tries the nodes in turn and returns a [Connection]. One goroutine owns that
// connection from then on: when the node goes away it dials the next one, with a
// backoff between full rounds, until [Connection.Close].
//
// # Operations
//
// Package ensure runs an operation with a channel until it succeeds, on whichever node is there:
//
//	err := ensure.Do(ctx, connection, publish, ensure.Retries(3))
//	channel, err = ensure.AutoRetry(ctx, connection, channel, declare)
//
// # Sessions
//
// Whoever keeps a channel for long, with deliveries to settle on it, works with sessions.
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
// # Rounds
//
// A round tries each node once, without a pause, in the [Order] of [InOrder]:
// [RoundRobin], [Shuffle], or a function of one's own. The node that has just failed is
// the last. After a round that brought no session comes a wait, see [Backoff], which
// grows from round to round. A session that ends before it is stable, see [StableAfter],
// is a failed attempt like any other: nodes that accept and drop connections are dialled
// as rarely as those that are down. Trying ends with ctx in Dial, and after [MaxRounds];
// without it, once connected, never.
//
// # Nodes that are cut off
//
// From RabbitMQ 4.2 on a node that has lost the majority of its cluster keeps its connections.
// [LeaveCutOff] notices, and goes on with another node once that has shown to be better.
//
// # State
//
// [Connection.State] tells what the connection is doing: connecting to which node,
// connected since when, blocked for what reason, cut off, lost and why, closed. It also tells of
// nodes that could not be reached while another one is connected, such as one that
// refuses the password. [Connection.Watch] tells of each change, and [Connection.Ready]
// answers for a health endpoint.
//
// # Credentials
//
// They are in the URLs, or come from a function for each dial: [Credentials].
// [Connection.UpdateSecret] renews a token while the connection goes on.
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
// In credentials and vhosts the characters @ : / ? # % ; must be percent-encoded; a ; in a password
// need not be where a scheme is before it. A
// password appears in no error, log record or String.
package failover

// Package failover keeps an AMQP connection to one of several nodes.
//
// [Dial] tries the nodes in turn and returns a [Connection]. One goroutine owns that
// connection from then on: when the node goes away it dials the next one, with a
// backoff between full rounds, until [Connection.Close].
//
// # Operations
//
// Package ensure runs an operation with a channel until it succeeds, on whichever node is up:
//
//	err := ensure.Do(ctx, connection, publish, ensure.Retries(3))
//	channel, err = ensure.AutoRetry(ctx, connection, channel, declare)
//
// # Sessions
//
// A program that keeps a channel for long, with deliveries to settle on it, works with sessions.
// A [Session] is one live AMQP connection, one generation of the Connection. Channels
// belong to a session and end with it; the program then takes the next session and
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
// channel, so settling an old delivery on it would remove another message. The
// client's own recovery does just that and is never used.
//
// # Rounds
//
// A round tries each node once, without a pause, in the order of [InOrder]:
// [RoundRobin], [Shuffle], or a function of your own. The node that has just failed is
// the last. After a round without a session comes a wait, see [Backoff], which
// grows from round to round. A session that ends before it is stable, see [StableAfter],
// is a failed attempt like any other: nodes that accept and drop connections are dialled
// as rarely as those that are down. Dial stops trying with ctx or after [MaxRounds]. Once
// connected, only MaxRounds or Close ends the trying.
//
// # Nodes that are cut off
//
// From RabbitMQ 4.2 on a node that has lost the majority of its cluster keeps its connections.
// [LeaveCutOff] notices, and moves to another node once that has answered.
//
// # Headers that the client cannot read
//
// The client ends the connection, and all its channels, over a header that it cannot read. So the
// header tables of deliveries and returned messages, and the server's properties, are made readable
// before the client sees them:
//
//   - An unsigned integer of 64 bits, type L, as Python's clients write it for 2^31 and more, is an
//     int64 of the same bits: one of 2^63 and more is negative. RabbitMQ reads it so too.
//   - Of a header that is given twice the first value stays, as RabbitMQ acts on that, at any depth.
//   - A table or list over 32 levels deep, with over 8,192 entries or with a type that nobody knows
//     is a []byte, as AMQP encodes it.
//   - Headers that cannot be had that way are left out: those over the 8,000th of more than 8,192, and the largest,
//     x-death first, where all of them do not fit one frame, since the broker adds to x-death as
//     often as it likes. The header warren-unreadable-headers is a []byte that holds them, or the
//     first 16 KiB of those that did not fit. Package processor/stack rejects such a message.
//
// # A client that does not read
//
// The client hands over what it has read before it reads on. If something does not take it, such as a
// notification channel that nobody drains, all channels of the connection stand still, and
// the heartbeats go on. After [AnswerTimeout] the session is lost, with [ErrStuck].
//
// # State
//
// [Connection.State] says what the connection is doing: connecting to which node,
// connected since when, blocked for what reason, cut off, lost and why, closed. It also names
// nodes that could not be reached while another one is connected, such as one that
// refuses the password. [Connection.Watch] reports each change, and [Connection.Ready]
// is for a health endpoint.
//
// # Credentials
//
// They are in the URLs, or come from a function for each dial: [Credentials].
// [Connection.UpdateSecret] renews a token while the connection goes on.
//
// # URLs
//
// Each node is a URL in RabbitMQ's form, with its own credentials, vhost and parameters:
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
// In credentials and vhosts the characters @ : / ? # % ; must be percent-encoded; a ; in the password
// of a URL with a scheme need not be. A password appears in no error, log record or String.
package failover

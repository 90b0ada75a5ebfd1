// Package direct receives replies by RabbitMQ's direct reply-to, without a queue: it is a line for a
// client of package publisher/rpc.
//
//	client, err := rpc.New(direct.Replies(b), remote.JSON)
//
// Nothing is declared, and the broker stores no reply. But a reply lives no longer than the channel on
// which its request was sent: when that is lost, as with its connection, the calls that wait on it end at
// once with rpc.ErrRepliesLost. Where replies have to outlive a connection, use rpc.Queue.
//
// Requests are sent as the broker's publisher sends messages. A queue that does not answer delays no calls
// to others, but for a second or two if it is a quorum queue: that stops a whole channel, and calls that are
// in flight on it get their replies when the queue goes on. Whether a request may be published with a key to
// an exchange is asked apart, before the first.
//
// A service publishes its reply to the queue that a request names, on the default exchange, and
// RabbitMQ hands it to the channel. A service that publishes replies to an exchange, as those
// of nameko do, needs rpc.Queue with rpc.Bind.
package direct

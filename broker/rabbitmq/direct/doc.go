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
// to others, but for a second or two if it is a quorum queue: that stops a whole channel. Of the calls in flight
// on it, those whose requests were not confirmed by then end with processor.ErrIndeterminate, though their
// services may work on them; the others get their replies when the queue goes on, if that is before their
// deadlines. Health names such a queue.
//
// Whether requests may be published to an exchange is asked apart, before the first, and for each key where the
// permissions are by topic.
//
// A service publishes its reply to the queue that a request names, on the default exchange, and
// RabbitMQ hands it to the channel. A service that publishes replies to an exchange, as those
// of nameko do, needs rpc.Queue with rpc.Bind.
package direct

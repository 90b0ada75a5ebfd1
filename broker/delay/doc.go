// Package delay makes messages wait in a broker: queues that hold each message for a
// time and then hand it to a work queue.
package delay

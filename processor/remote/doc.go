// Package remote is what a caller and a service say to each other over queues: requests, results and
// errors, and the [Protocol] that puts them into messages.
//
// A service is a consumer whose handler is made with [Handler] and whose stack has the layer
// processors/reply. A caller uses publisher/rpc. The shipped protocols are [JSON], and
// broker/nameko, which Python's nameko speaks.
package remote

// Package processortest helps people who write processors to test them: a message
// whose settlements can be looked at, a publisher that records or fails, and a
// conformance suite, [TestMiddleware], that every shipped processor passes.
//
// It depends on the standard library only.
package processortest

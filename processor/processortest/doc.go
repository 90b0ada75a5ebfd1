// Package processortest helps to test processors: a message
// whose settlements can be inspected, a publisher that records or fails, and a
// conformance suite, [TestMiddleware], that every shipped processor passes.
//
// It depends on the standard library only.
package processortest

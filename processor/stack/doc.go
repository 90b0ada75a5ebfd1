// Package stack composes middlewares into pipelines. A [Stack] is a list of
// middlewares, outermost first, and
//
//	stack.New(m1, m2, m3).Then(handler)
//
// builds m1(m2(m3(handler))) once, as a [Pipeline]. Nothing is built per message.
//
// # What a layer can implement
//
// The processors that a pipeline consists of are its layers; the last one is the
// handler. A layer need not know this package. One that does can say more:
//
//   - [Layer] gives it a name and a [Role]. By their roles a stack refuses an order
//     that loses or doubles messages, with [ErrOrder].
//   - [Wrapper] shows the processor that it wraps, so that a stack also sees layers that
//     were composed by hand.
//   - [Starter], [Idler] and [Stopper] tell it when a run starts, has nothing to do
//     and ends. [RunFrom] gives it the [Run], to end it or pause it.
//   - [Describer] and [Predictor] give [Pipeline.Describe] its settings, and how it
//     changes an [Outcome]. [Caser] adds rows to the table of outcomes.
//   - [processor.Checker] lets it say, when the stack is built, that it cannot work.
//     [Invalid] is the middleware of a layer whose options are wrong.
//
// # Performance
//
// A built pipeline is a chain of interface calls. The success path of a shipped layer
// allocates nothing, takes no lock across the call to the next layer, and starts no
// goroutine. Layers that need a context value or a timer pay for it themselves.
package stack

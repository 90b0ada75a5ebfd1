package processor

import "context"

// Processor works on one message.
//
// Its duties:
//
//  1. Process may be called by many goroutines at once.
//  2. It returns nil when the message was processed, and otherwise an error that
//     [Decide] can read. It never panics on purpose.
//  3. It returns soon after ctx ends. A processor that cannot finish then returns
//     an error, so that the message goes back to the broker.
//  4. It does not keep msg, its body or its headers after it returns.
//  5. It settles msg only if that is its job; at most one layer of a stack settles.
type Processor interface {
	Process(ctx context.Context, msg Message) error
}

// ProcessorFunc makes a function a [Processor].
type ProcessorFunc func(ctx context.Context, msg Message) error

// Process calls f.
func (f ProcessorFunc) Process(ctx context.Context, msg Message) error { return f(ctx, msg) }

// Middleware decorates a processor with another. It is called once, when a stack is
// built, never per message. It must not return nil; for one that cannot work because
// its options are wrong, see Invalid in package processor/stack.
type Middleware func(next Processor) Processor

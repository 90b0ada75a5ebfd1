package stack_test

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
)

// A stack lists its layers as a message passes them: outermost first.
func ExampleNew() {
	say := func(name string) processor.Middleware {
		return func(next processor.Processor) processor.Processor {
			return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
				fmt.Println(name, "in")
				defer fmt.Println(name, "out")
				return next.Process(ctx, msg)
			})
		}
	}

	pipeline, err := stack.New(say("outer"), say("inner")).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			fmt.Printf("handle %s\n", msg.Body())
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = pipeline.Process(context.Background(), processortest.NewMessage(processortest.Body("hello")))
	// Output:
	// outer in
	// inner in
	// handle hello
	// inner out
	// outer out
}

// Wrong options show when the stack is built, not at the first message.
func ExampleStack_Then() {
	limit := func(attempts int) processor.Middleware {
		if attempts < 1 {
			return stack.Invalid(fmt.Errorf("limit: attempts is %d; it must be at least 1", attempts))
		}
		return func(next processor.Processor) processor.Processor { return next }
	}

	_, err := stack.New(limit(0)).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	fmt.Println(err)
	// Output:
	// limit: attempts is 0; it must be at least 1
}

package breaker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/breaker"
)

func ExampleNew() {
	handler := func(context.Context, processor.Message) error { return errors.New("connection refused") }
	pipeline, err := stack.New(breaker.New("mail server", breaker.Failures(2))).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	for range 3 { // a consumer would be paused after the second
		err := pipeline.Process(context.Background(), processortest.NewMessage())
		fmt.Println(processor.Decide(err).Action, "-", err)
	}
	// Output:
	// failed - connection refused
	// failed - connection refused
	// released - breaker: the breaker is open: mail server is failing
}

package decode_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/decode"
)

func ExampleNew() {
	handler := func(_ context.Context, msg processor.Message) error {
		fmt.Printf("%s\n", msg.Body())
		return nil
	}
	pipeline, err := stack.New(ack.New(), decode.New(decode.MaxSize(1<<20))).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	packed := processortest.NewMessage(processortest.Body(gzipped("hello")),
		processortest.Properties(processor.Properties{ContentEncoding: "gzip"}))
	fmt.Println(pipeline.Process(context.Background(), packed), packed.Settlements())

	other := processortest.NewMessage(processortest.Properties(processor.Properties{ContentEncoding: "br"}))
	err = pipeline.Process(context.Background(), other)
	fmt.Println(errors.Is(err, decode.ErrUnknown), other.Settlements())
	// Output:
	// hello
	// <nil> [ack]
	// true [nack without requeue]
}

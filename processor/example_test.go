package processor_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Typed decodes the body before the handler. A message that does not decode is rejected.
func ExampleTyped() {
	type Mail struct{ To string }

	handler := processor.Typed(json.Unmarshal, func(_ context.Context, m Mail, _ processor.Message) error {
		fmt.Println("send to", m.To)
		return nil
	})

	for _, body := range []string{`{"To":"ada@example.org"}`, `{"To":`} {
		err := handler.Process(context.Background(), newMessage(body))
		fmt.Println(processor.Decide(err).Action)
	}
	// Output:
	// send to ada@example.org
	// done
	// rejected
}

// Decide reads what an error says about its message, however deep it is wrapped.
func ExampleDecide() {
	errTimeout := errors.New("mail server does not answer")

	for _, err := range []error{
		nil,
		errTimeout,
		processor.RetryAfter(errTimeout, time.Minute),
		fmt.Errorf("send mail: %w", processor.Reject(errors.New("no such address"))),
		errors.Join(processor.Drop(errTimeout), processor.Requeue(errTimeout)),
		processor.Stop(errTimeout),
	} {
		d := processor.Decide(err)
		fmt.Printf("%s after=%v stop=%t\n", d.Action, d.After, d.Stop)
	}
	fmt.Println(errors.Is(processor.Reject(errTimeout), errTimeout))
	// Output:
	// done after=0s stop=false
	// failed after=0s stop=false
	// failed after=1m0s stop=false
	// rejected after=0s stop=false
	// requeued after=0s stop=false
	// failed after=0s stop=true
	// true
}

// decompressed is a message with another body. Everything else, settling included, is
// the original's.
type decompressed struct {
	processor.Message

	body []byte
}

func (d decompressed) Body() []byte { return d.body }

// A layer changes what the inner layers see by embedding the message. The layers
// outside it, such as a retry, still see the original bytes.
func ExampleMessage() {
	gunzip := func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			r, err := gzip.NewReader(bytes.NewReader(msg.Body()))
			if err != nil {
				return processor.Reject(err)
			}
			body, err := io.ReadAll(io.LimitReader(r, 1<<20))
			if err != nil {
				return processor.Reject(err)
			}
			return next.Process(ctx, decompressed{msg, body})
		})
	}

	pipeline, err := stack.New(gunzip).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			fmt.Printf("%s from %s\n", msg.Body(), msg.Origin().Queue)
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}

	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, "hello")
	_ = w.Close()
	_ = pipeline.Process(context.Background(), newMessage(packed.String()))
	// Output:
	// hello from mail
}

// newMessage returns a message as a broker would deliver it.
func newMessage(body string) processor.Message {
	return broker.NewDelivery(
		processor.Envelope{Body: []byte(body)},
		processor.Origin{Queue: "mail"},
		nil, // it is not settled here
		1,
	)
}

// Rpc is a caller that waits while a service retries its request: it gets the final result, or the error that is
// left when the retries are used up:
//
//	go run ./examples/rpc
//	go run ./examples/rpc -plan     // what it needs in the broker
//
// It runs on the embedded broker, or on RabbitMQ if AMQP_URL is set.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

func main() { example.Main() }

var example = program.Program{Name: "rpc", New: calculator}

// requests is the queue of the service.
const requests = "calculator"

// calculator is a service, and its caller.
func calculator(b broker.Broker, w io.Writer) ([]service.Option, program.Work) {
	return []service.Option{service.Handler{
			Queue: broker.Queue{Name: requests},
			Stack: stack.New(
				ack.New(),
				reply.New(b.Publisher(), remote.JSON), // outside the layer that retries
				backoff.New(b.Publisher(), requests,
					backoff.For(errNotReady), // and no other error
					backoff.Schedule(backoff.Fixed(200*time.Millisecond)), backoff.Jitter(0), backoff.Retries(2)),
				recovery.New(),
			),
			Handle: methods(),
		}}, func(ctx context.Context, _ *service.Service) error {
			client, err := rpc.New(rpc.Queue(b, "calculator-replies-"+rand.Text()), remote.JSON) //nolint:contextcheck // it lives until Close
			if err != nil {
				return err
			}
			call(ctx, client, w)
			return client.Close(ctx)
		}
}

// calls are what is asked.
var calls = []struct {
	method string
	terms  []int
}{
	{"sum", []int{20, 22}},
	{"slow sum", []int{20, 22}}, // not ready twice
	{"never", nil},              // never ready
	{"divide", []int{1, 0}},
	{"product", []int{6, 7}}, // there is no such method
}

// call makes each call and prints how it ends.
func call(ctx context.Context, client *rpc.Client, w io.Writer) {
	for _, c := range calls {
		start := time.Now()
		result, err := rpc.Call[int](ctx, client, processor.Destination{RoutingKey: requests}, c.terms,
			func(e *processor.Envelope) { e.Type = c.method })
		took := time.Since(start).Truncate(100 * time.Millisecond)
		var failure *remote.Error
		switch {
		case err == nil:
			_, _ = fmt.Fprintf(w, "%-8s %-7s = %d after %v\n", c.method, fmt.Sprint(c.terms), result, took)
		case errors.As(err, &failure):
			_, _ = fmt.Fprintf(w, "%-8s %-7s %s after %v\n", c.method, fmt.Sprint(c.terms), failure.Type, took)
		default:
			_, _ = fmt.Fprintf(w, "%-8s %-7s %v\n", c.method, fmt.Sprint(c.terms), err)
		}
	}
}

// methods are those of the service.
func methods() processor.Processor {
	return mux.New(mux.ByType,
		mux.On("sum", method(sum)),
		mux.On("slow sum", method(third(sum))),
		mux.On("never", method(func([]int) (int, error) { return 0, errNotReady })),
		mux.On("divide", method(func(terms []int) (int, error) { return terms[0] / terms[1], nil })), // may panic
	)
}

var errNotReady = errors.New("not ready yet")

func sum(terms []int) (int, error) {
	total := 0
	for _, t := range terms {
		total += t
	}
	return total, nil
}

// third is f, which is not ready until it is asked for the third time.
func third(f func([]int) (int, error)) func([]int) (int, error) {
	asked := 0 // one worker asks
	return func(terms []int) (int, error) {
		if asked++; asked%3 != 0 {
			return 0, errNotReady
		}
		return f(terms)
	}
}

// method makes a function a method of the service.
func method(f func([]int) (int, error)) processor.Processor {
	return remote.Handler(remote.JSON, func(_ context.Context, terms []int, _ processor.Message) (int, error) { return f(terms) })
}

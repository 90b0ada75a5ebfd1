// Custom shows a processor of your own in a stack. It is in stale.go, and it rejects login codes
// that come too late to be of use.
//
// The program runs on the embedded broker. It sends two of three codes, and retry parks the one
// that stale rejects. Then it builds the stack in a wrong order, which is refused because stale
// declares its role. A processor without Name and Role is allowed anywhere; a function that calls
// the next one is enough for that, as the README shows.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

const (
	workQueue   = "codes"
	parkedQueue = "codes_parked"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "custom:", err)
		os.Exit(1)
	}
}

// run is main without the process. It works until both handlers have had their last code.
func run(ctx context.Context, out io.Writer) error {
	b := memory.New()
	quiet := slog.New(slog.DiscardHandler)
	err := service.Run(ctx, b, service.OwnBroker(), service.Logger(quiet),
		service.Beside("publisher", func(ctx context.Context) error { return publish(ctx, b.Publisher()) }),
		service.Handler{
			Queue: broker.Queue{Name: workQueue},
			Stack: stack.New(
				ack.New(),
				// Nothing is retried here: the first failure parks.
				retry.New(b.Publisher(), "", retry.Retries(0), retry.ParkKey(parkedQueue), retry.Logger(quiet)),
				rejectStale,
				recovery.New(),
			),
			Handle: handler(out),
		},
		service.Handler{Queue: broker.Queue{Name: parkedQueue}, Stack: stack.New(ack.New()), Handle: parked(out)})
	_, wrong := stack.New(rejectStale, ack.New()).Then(handler(out))
	fmt.Fprintln(out, "refused:", wrong)
	return err
}

// publish sends three codes: one in time, one too late, and one that does not say when.
func publish(ctx context.Context, p processor.Publisher) error {
	to := processor.Destination{RoutingKey: workQueue}
	for _, code := range []struct {
		text string
		sent time.Time
	}{
		{"1111", time.Now()},
		{"2222", time.Now().Add(-time.Hour)},
		{"3333", time.Time{}},
	} {
		e := processor.Envelope{Body: []byte(code.text), Properties: processor.Properties{Timestamp: code.sent}}
		if err := p.Publish(ctx, to, e); err != nil {
			return err
		}
	}
	return nil
}

// handler sends a code. The last one ends the run.
func handler(out io.Writer) processor.Processor {
	return processor.ProcessorFunc(func(_ context.Context, msg processor.Message) error {
		fmt.Fprintf(out, "sent    %s\n", msg.Body())
		if string(msg.Body()) == "3333" {
			return processor.ErrStop
		}
		return nil
	})
}

// parked says why a code is parked. There is one.
func parked(out io.Writer) processor.Processor {
	return processor.ProcessorFunc(func(_ context.Context, msg processor.Message) error {
		why, _ := msg.Headers().String("warren-error")
		fmt.Fprintf(out, "parked  %s: %s\n", msg.Body(), why)
		return processor.ErrStop
	})
}

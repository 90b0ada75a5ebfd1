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
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
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

// run is main without the process.
func run(ctx context.Context, out io.Writer) (err error) {
	b := memory.New()
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	err = b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: workQueue}, {Name: parkedQueue}}})
	if err != nil {
		return err
	}
	if err := publish(ctx, b.Publisher()); err != nil {
		return err
	}
	if err := sendCodes(ctx, b, out); err != nil {
		return err
	}
	if err := showParked(ctx, b, out); err != nil {
		return err
	}
	_, wrong := stack.New(rejectStale, ack.New()).Then(handler(out))
	fmt.Fprintln(out, "refused:", wrong)
	return nil
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

// sendCodes works until the last code is sent.
func sendCodes(ctx context.Context, b broker.Broker, out io.Writer) error {
	pipeline, err := stack.New(
		ack.New(),
		// Nothing is retried here: the first failure parks.
		retry.New(b.Publisher(), "", retry.Retries(0), retry.ParkKey(parkedQueue), retry.Logger(slog.New(slog.DiscardHandler))),
		rejectStale,
		recovery.New(),
	).Then(handler(out))
	if err != nil {
		return err
	}
	return consume(ctx, b.Source(workQueue), pipeline)
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

// showParked takes the one code out of the parked queue and says why it is there.
func showParked(ctx context.Context, b broker.Broker, out io.Writer) error {
	pipeline, err := stack.New(ack.New()).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			why, _ := msg.Headers().String("warren-error")
			fmt.Fprintf(out, "parked  %s: %s\n", msg.Body(), why)
			return processor.ErrStop
		})
	if err != nil {
		return err
	}
	return consume(ctx, b.Source(parkedQueue), pipeline)
}

func consume(ctx context.Context, source broker.Source, pipeline *stack.Pipeline) error {
	c, err := consumer.New(source, pipeline)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

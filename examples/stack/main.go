// Stack prints the layers of a stack and the outcomes of its messages, as text or as JSON:
//
//	go run ./examples/stack
//	go run ./examples/stack -json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/time/rate"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/signals"
	"github.com/gowarren/warren/processors/throttle"
	"github.com/gowarren/warren/processors/timeout"
)

func main() {
	asJSON := flag.Bool("json", false, "print JSON")
	flag.Parse()
	if err := describe(os.Stdout, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// layers are the stack of a worker that sends mails. With dedup outside retry, or timeout outside
// breaker, it could not be built: examples/custom shows such a refusal.
func layers(p processor.Publisher) stack.Stack {
	return stack.New(
		signals.New(),
		ack.New(),
		retry.New(p, "mail_retry_%attempt%", retry.Exchange("mail"), retry.ParkKey("mail_parked")),
		decode.New(decode.MaxSize(1<<20)),
		dedup.New(dedup.NewMemory(100_000, 24*time.Hour)),
		throttle.New(rate.NewLimiter(50, 10)),
		breaker.New("mail server"),
		instantretry.New(instantretry.Retries(1), instantretry.Delay(100*time.Millisecond)),
		timeout.New(10*time.Second),
		recovery.New(),
	)
}

// describe builds the stack and prints its description. No message is processed or published.
func describe(w io.Writer, asJSON bool) error {
	pipeline, err := layers(memory.New().Publisher()).Then(sender{})
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(pipeline.Describe())
	}
	_, err = fmt.Fprint(w, pipeline.Describe())
	return err
}

// sender stands for a mail sender.
type sender struct{}

func (sender) Process(context.Context, processor.Message) error { return nil }

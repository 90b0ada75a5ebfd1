// Failover publishes a numbered stream and consumes it, while nodes of the cluster die, and counts
// what was confirmed, processed, duplicated and lost, and how long the stream stood still.
//
//	go run ./examples/failover                               // three nodes of its own, killed in turn
//	go run ./examples/failover -urls "amqp://a;amqp://b"     // yours: break them yourself
//
// A program that survives this is in service.go. Only the list of URLs and the publisher that
// retries have to do with failing nodes there. The nodes are broken in faults.go.
//
// Three nodes of its own need RabbitMQ installed; see internal/rabbitmqtest. With -urls it kills
// nothing and runs until Ctrl-C, or for as long as -for says; it declares the queues numbers,
// numbers_retry_1s and numbers_parked there, and leaves them behind. It ends with status 1 if a
// confirmed message is lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "failover:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	urls      string
	rate      int
	workers   int
	heartbeat time.Duration
	rounds    int
	limit     time.Duration
	verbose   bool
}

func (s *settings) parse(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("failover", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.urls, "urls", "", "use the nodes at these `URLs`, with ; between them, and kill none")
	flags.IntVar(&s.rate, "rate", 200, "publish so many messages in a second, about")
	flags.IntVar(&s.workers, "workers", 4, "process so many messages at once")
	flags.DurationVar(&s.heartbeat, "heartbeat", 10*time.Second, "the interval of heartbeats, in whole seconds")
	flags.IntVar(&s.rounds, "rounds", 1, "break the nodes in each way so often")
	flags.DurationVar(&s.limit, "for", 0, "end after this time; 0 is when the rounds are over, or with Ctrl-C")
	flags.BoolVar(&s.verbose, "v", false, "print Warren's log, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.rate < 1 || s.rate > 100_000 || s.workers < 1 || s.rounds < 1 || s.limit < 0 {
		return errors.New("-rate, -workers and -rounds must be 1 or more, -rate at most 100000, and -for not below 0")
	}
	return nil
}

// logger prints Warren's warnings if asked to: they concern nodes that are broken on purpose.
func (s *settings) logger(stderr io.Writer) *slog.Logger {
	if !s.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(stderr, nil))
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var set settings
	if err := set.parse(args, stderr); err != nil {
		return err
	}
	if set.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, set.limit)
		defer cancel()
	}
	p := newProgram(&set, stdout, set.logger(stderr))
	var err error
	if set.urls != "" {
		err = observe(ctx, p, set.urls)
	} else {
		err = breakNodes(ctx, p, faults)
	}
	return errors.Join(err, p.report.print(stdout, p.service.cutShort))
}

// Replay moves parked messages back to where they came from, once what they failed on is fixed:
//
//	export AMQP_URL=amqp://guest:guest@localhost:5672/
//	replay -queue mail_parked -dry-run
//	replay -queue mail_parked -allow /mail -match timeout -rate 50
//
// A message's headers name the queue that it failed in, and where it was first published to. A sender
// may have forged them, so each place must be allowed. -allow /mail is the queue mail, and messages
// that failed there go back to that queue alone. -allow events is any key of the exchange events, and
// -allow events/new one key of it: messages that came from there are published there again, and
// every queue that is bound gets them. A dry run without -allow shows the places.
//
// In the lost queue of a ladder of delays the routing key of a message is the name of its work
// queue. With -by-key it goes there, -allow /mail being the queue mail again, and with
// -keep-attempts its count of attempts is kept.
//
// The exit code is 0 if the run is complete and the broker has taken all that should move, 1 if
// not, and 2 if the command is wrong. Messages that did not move are still in their queue.
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

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/replay"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv("AMQP_URL"), os.Stdout, os.Stderr, isTerminal(os.Stderr))
	stop()
	os.Exit(code)
}

// run is main without the process.
func run(ctx context.Context, args []string, url string, stdout, stderr io.Writer, terminal bool) int {
	s, err := parse(args, url, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "replay:", err)
		return 2
	}
	b, err := open(ctx, s.url, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "replay:", err)
		return 1
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = b.Close(ctx) // nothing is in flight any more
	}()
	return work(ctx, b, s, stdout, newProgress(stderr, terminal))
}

func open(ctx context.Context, url string, stderr io.Writer) (*rabbitmq.Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return rabbitmq.Open(ctx, []string{url}, rabbitmq.Logger(log))
}

// work replays, and prints the result.
func work(ctx context.Context, b replay.Broker, s settings, stdout io.Writer, p *progress) int {
	if s.dryRun {
		fmt.Fprintln(stdout, "Dry run: nothing is moved.")
	}
	sum := summary{}
	counts, err := replay.Run(ctx, b, s.queue, s.route(), append(s.options(), replay.OnEvent(func(e replay.Event) {
		sum.add(e)
		p.show(e.Counts)
	}))...)
	p.end(counts)
	sum.print(stdout)
	fmt.Fprintf(stdout, "replay: seen=%d moved=%d left=%d failed=%d\n", counts.Seen, counts.Moved, counts.Left, counts.Failed)
	switch {
	case err != nil:
		fmt.Fprintln(p.out, err)
		return 1
	case counts.Failed > 0:
		return 1
	}
	return 0
}

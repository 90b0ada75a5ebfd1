package broker

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/shortstring"
	"github.com/gowarren/warren/processor"
)

// Validate returns every reason why t cannot be declared, each wrapping [ErrTopology].
func (t Topology) Validate() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("broker: %w: %s", ErrTopology, fmt.Sprintf(format, args...)))
	}
	exchanges := map[string]Exchange{}
	for _, x := range t.Exchanges {
		if problem := x.problem(); problem != "" {
			fail("exchange %q: %s", x.Name, problem)
		}
		if twin, ok := exchanges[x.Name]; ok && !twin.equal(x) {
			fail("exchange %q is listed twice, and differently", x.Name)
		}
		exchanges[x.Name] = x
	}
	queues := map[string]Queue{}
	for _, q := range t.Queues {
		if problem := q.problem(); problem != "" {
			fail("queue %q: %s", q.Name, problem)
		}
		if twin, ok := queues[q.Name]; ok && !twin.equal(q) {
			fail("queue %q is listed twice, and differently", q.Name)
		}
		queues[q.Name] = q
	}
	for _, b := range t.Bindings {
		if problem := b.problem(); problem != "" {
			fail("binding of queue %q to exchange %q: %s", b.Queue, b.Exchange, problem)
		}
	}
	if slices.Contains(t.Owned, "") {
		fail("an owned name is empty: every queue would be this topology's alone")
	}
	return errors.Join(errs...)
}

func (x Exchange) problem() string {
	switch {
	case x.Name == "":
		return "it needs a name; the default exchange is always there and cannot be declared"
	case reserved(x.Name):
		return "names that begin with amq. are the broker's own"
	case !slices.Contains([]Kind{Direct, Topic, Fanout, HeadersKind}, x.Kind) && !isPluginKind(x.Kind):
		return fmt.Sprintf("kind %q is none of direct, topic, fanout and headers, nor a plugin's (x-...)", x.Kind)
	}
	return cmp.Or(
		nameProblem("name", x.Name), nameProblem("kind", string(x.Kind)),
		argumentProblem(x.Arguments, x.fieldArguments()), namesInArguments(x.AllArguments()),
	)
}

func isPluginKind(k Kind) bool { return len(k) > 2 && strings.HasPrefix(string(k), "x-") }

func reserved(name string) bool { return strings.HasPrefix(name, "amq.") }

// nameProblem says what is wrong with a name.
func nameProblem(what, name string) string {
	if problem := shortstring.Problem(name); problem != "" {
		return "its " + what + " " + problem
	}
	return ""
}

// namesInArguments checks names that are arguments. RabbitMQ takes them, but no exchange can have such
// a name, no queue can be bound with such a key, and with a key that is too long nothing can be
// delivered.
func namesInArguments(arguments processor.Headers) string {
	for _, name := range [...]string{"alternate-exchange", "x-dead-letter-exchange", "x-dead-letter-routing-key"} {
		text, _ := arguments.String(name)
		if problem := nameProblem(name, text); problem != "" {
			return problem
		}
	}
	return ""
}

func (q Queue) problem() string {
	switch {
	case q.Name == "":
		return "it needs a name"
	case reserved(q.Name):
		return "names that begin with amq. are the broker's own"
	case q.Type != "" && q.Type != Classic && q.Type != Quorum:
		return fmt.Sprintf("type %q is neither classic nor quorum; give another as the argument x-queue-type", q.Type)
	case q.Overflow != "" && q.Overflow != DropHead && q.Overflow != RejectPublish:
		return fmt.Sprintf("overflow %q is neither drop-head nor reject-publish; give another as the argument x-overflow", q.Overflow)
	case q.Type == Quorum && (q.Transient || q.Exclusive || q.AutoDelete):
		return "a quorum queue cannot be transient, exclusive or auto-delete"
	case q.MessageTTL < 0 || q.Expires < 0 || q.MaxLength < 0:
		return "a TTL, expiry or length is negative"
	case q.MessageTTL > argument.LongestTime || q.Expires > argument.LongestTime:
		return "a TTL or expiry is over ten years"
	case q.MessageTTL%time.Millisecond != 0 || q.Expires%time.Millisecond != 0:
		return "a TTL or expiry is not a whole number of milliseconds"
	}
	if problem := q.failureProblem(); problem != "" {
		return problem
	}
	fields := q.fieldArguments()
	if q.DeadLetter != nil {
		fields["x-dead-letter-routing-key"] = q.DeadLetter.RoutingKey
	}
	return cmp.Or(
		nameProblem("name", q.Name), argumentProblem(q.Arguments, fields), namesInArguments(q.AllArguments()), q.crashProblem(),
	)
}

// age is how RabbitMQ writes a time in a stream: its x-max-age, and how far back a consumer begins.
var age = regexp.MustCompile(`^[0-9]+[YMDhms]$`)

// crashProblem names an argument over which RabbitMQ before 4.3 would close the connection (541), and not
// only the channel. No queue but a stream may have it.
func (q Queue) crashProblem() string {
	if most, set := q.AllArguments().String("x-max-age"); set && !age.MatchString(most) {
		return fmt.Sprintf("x-max-age is %q: it must be a number and Y, M, D, h, m or s", most)
	}
	return ""
}

// failureProblem says what is wrong with the settings for failed messages.
func (q Queue) failureProblem() string {
	switch {
	case q.DeliveryLimit < 0:
		return "its delivery limit is negative; use broker.HighDeliveryLimit for none (RabbitMQ 3.10 takes -1 for 0)"
	case q.DeliveryLimit > 0 && q.DeclaredType() != Quorum:
		return "it has a delivery limit, which only quorum queues have: set Type to Quorum"
	case q.DelayedRetry != nil && q.DeclaredType() != Quorum:
		return "it has a delayed retry, which only quorum queues have: set Type to Quorum"
	case q.DelayedRetry != nil:
		return q.DelayedRetry.problem()
	}
	return ""
}

func (d *DelayedRetry) problem() string {
	switch {
	case d.Min < time.Millisecond:
		return "the shortest wait of its delayed retry is below a millisecond"
	case d.Max < d.Min:
		return "the longest wait of its delayed retry is below the shortest"
	case d.Max > argument.LongestTime:
		return "the longest wait of its delayed retry is over ten years"
	case d.Min%time.Millisecond != 0 || d.Max%time.Millisecond != 0:
		return "a wait of its delayed retry is not a whole number of milliseconds"
	}
	return ""
}

func (b Binding) problem() string {
	switch {
	case b.Queue == "":
		return "it needs a queue"
	case b.Exchange == "":
		return "it needs an exchange; every queue is bound to the default exchange by its name already"
	}
	return cmp.Or(
		nameProblem("exchange", b.Exchange), nameProblem("queue", b.Queue), nameProblem("routing key", b.RoutingKey),
		argumentProblem(b.Arguments, nil),
	)
}

// argumentProblem names an argument that repeats a field, or cannot be sent.
func argumentProblem(arguments, fields processor.Headers) string {
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if _, ok := fields[name]; ok {
			return fmt.Sprintf("argument %q repeats a field; keep one of them", name)
		}
	}
	if _, err := prepareArguments(arguments); err != nil {
		return "its arguments cannot be sent: " + err.Error()
	}
	return ""
}

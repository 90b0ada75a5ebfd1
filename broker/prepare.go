package broker

import (
	"fmt"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/shortstring"
	"github.com/gowarren/warren/processor"
)

// Limits of the protocol and of RabbitMQ's defaults. Going over one of them closes
// the whole connection (501) or channel (406), for all its users.
const (
	maxShortString = processor.MaxName // bytes of a key, a property or a header's name
	defaultFrame   = 128 << 10         // headers and properties must fit one frame
	maxBody        = 512 << 20         // the most that max_message_size can be; the broker may take less, and says so
)

// Prepare checks a message before it is published, and returns it with headers of the types
// that every broker carries (see [processor.Headers]), in a new map. The error
// wraps [processor.ErrTooLarge] or [processor.ErrHeaderType] and says what to change. An exchange with a
// name that none can have is [processor.ErrUnroutable].
//
// Brokers call it before anything is sent.
func Prepare(to processor.Destination, e processor.Envelope) (processor.Envelope, error) {
	if err := checkShortStrings(to, e.Properties); err != nil {
		return e, err
	}
	if problem := shortstring.Problem(to.Exchange); problem != "" {
		return e, fmt.Errorf("broker: %w: the exchange's name %s, so no exchange has it", processor.ErrUnroutable, problem)
	}
	if len(e.Body) > maxBody {
		return e, fmt.Errorf("broker: %w: the body has %d bytes, the limit is %d", processor.ErrTooLarge, len(e.Body), maxBody)
	}
	headers, err := prepareHeaders(e.Headers)
	if err != nil {
		return e, fmt.Errorf("broker: %w", err)
	}
	if err := checkSteering(headers); err != nil {
		return e, fmt.Errorf("broker: %w", err)
	}
	e.Headers = headers
	if err := FitsFrame(e, defaultFrame); err != nil {
		return e, err
	}
	return e, nil
}

func checkShortStrings(to processor.Destination, p processor.Properties) error {
	for _, s := range [...]struct{ name, value string }{
		{"exchange", to.Exchange},
		{"routing key", to.RoutingKey},
		{"message id", p.ID},
		{"correlation id", p.CorrelationID},
		{"reply-to", p.ReplyTo},
		{"type", p.Type},
		{"app id", p.AppID},
		{"user id", p.UserID},
		{"content type", p.ContentType},
		{"content encoding", p.ContentEncoding},
	} {
		if len(s.value) > maxShortString {
			return fmt.Errorf("broker: %w: the %s has %d bytes, the limit is %d", processor.ErrTooLarge, s.name, len(s.value), maxShortString)
		}
	}
	if p.Expiration < 0 || p.Expiration > argument.LongestTime {
		return fmt.Errorf("broker: %w: expiration %v is not from 0 (none) to ten years", processor.ErrTooLarge, p.Expiration)
	}
	return nil
}

// checkSteering refuses values in the broker's own headers that make it close the
// channel, or crash the process of a queue.
func checkSteering(h processor.Headers) error {
	for _, name := range [...]string{"CC", "BCC"} {
		if v, there := h[name]; there && !isList[string](v) {
			return fmt.Errorf("%w: %s must be an array of strings", processor.ErrHeaderType, name)
		}
	}
	death, there := h["x-death"]
	if there && !isList[processor.Headers](death) {
		return fmt.Errorf("%w: x-death belongs to the broker and must be an array of tables; delete it", processor.ErrHeaderType)
	}
	entries, _ := death.([]any)
	for _, entry := range entries {
		count, there := entry.(processor.Headers)["count"]
		if _, number := count.(int64); there && !number {
			return fmt.Errorf("%w: count in x-death belongs to the broker and must be an int64; delete x-death", processor.ErrHeaderType)
		}
	}
	return nil
}

// isList reports whether v is an array of nothing but T.
func isList[T any](v any) bool {
	list, ok := v.([]any)
	for _, item := range list {
		if _, isT := item.(T); !isT {
			return false
		}
	}
	return ok
}

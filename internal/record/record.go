// Package record writes a message as text for a database or a file, and reads it again: its destination, headers and
// properties, each with its type. The body is not part of it.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gowarren/warren/processor"
)

// field is a text of a message, and the name that it has in the record.
type field struct {
	name  string
	value *string
}

func fields(to *processor.Destination, p *processor.Properties) [10]field {
	return [...]field{
		{"id", &p.ID},
		{"exchange", &to.Exchange},
		{"routingKey", &to.RoutingKey},
		{"correlationId", &p.CorrelationID},
		{"replyTo", &p.ReplyTo},
		{"type", &p.Type},
		{"appId", &p.AppID},
		{"userId", &p.UserID},
		{"contentType", &p.ContentType},
		{"contentEncoding", &p.ContentEncoding},
	}
}

// Write returns a message without its body as JSON, and of the message only what it has. The error wraps
// [processor.ErrTooLarge] or [processor.ErrHeaderType].
func Write(to processor.Destination, e processor.Envelope) (string, error) {
	r := map[string]any{}
	for _, f := range fields(&to, &e.Properties) {
		if len(*f.value) > processor.MaxName {
			return "", fmt.Errorf("%w: %s has %d bytes, the limit is %d", processor.ErrTooLarge, f.name, len(*f.value), processor.MaxName)
		}
		if *f.value != "" {
			r[f.name] = text(*f.value)
		}
	}
	if e.Expiration != 0 {
		r["expiration"] = e.Expiration // in nanoseconds
	}
	if !e.Timestamp.IsZero() {
		r["timestamp"] = e.Timestamp.Unix()
	}
	if e.Priority != 0 || e.PriorityZero {
		r["priority"] = e.Priority
	}
	if e.Transient {
		r["transient"] = true
	}
	if e.Headers != nil {
		var err error
		if r["headers"], err = write(e.Headers, 0); err != nil {
			return "", err
		}
	}
	written, err := json.Marshal(r)
	return string(written), err
}

// Read returns what was given to Write.
func Read(written string) (to processor.Destination, e processor.Envelope, err error) {
	r, err := parse(written)
	if err != nil {
		return to, e, err
	}
	for _, f := range fields(&to, &e.Properties) {
		if err == nil && r[f.name] != nil {
			*f.value, err = readText(r[f.name])
		}
	}
	if err == nil && r["expiration"] != nil {
		e.Expiration, err = signed[time.Duration](r["expiration"], 64)
	}
	if err == nil && r["timestamp"] != nil {
		e.Timestamp, err = readTime(r["timestamp"])
	}
	if err == nil && r["priority"] != nil {
		e.Priority, err = unsigned[uint8](r["priority"], 8)
		e.PriorityZero = err == nil && e.Priority == 0
	}
	if err == nil && r["transient"] != nil {
		e.Transient, err = readBool(r["transient"])
	}
	if err == nil && r["headers"] != nil {
		e.Headers, err = readHeaders(r["headers"])
	}
	return to, e, err
}

// parse reads all of the text once: whoever wrote it decides how deep its values lie in one another.
func parse(written string) (r map[string]any, err error) {
	d := json.NewDecoder(strings.NewReader(written))
	d.UseNumber() // a float64 does not hold each int64
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something is behind the record: %w", errForm)
	}
	return r, nil
}

func readHeaders(v any) (processor.Headers, error) {
	v, err := read(v, 0)
	h, ok := v.(processor.Headers)
	if err == nil && !ok {
		err = errForm
	}
	return h, err
}

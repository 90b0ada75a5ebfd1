// Package headersfile is the format of the file that lies beside a body in the file system, and has the rest of the
// message: its properties, its headers, and where it was published to.
package headersfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/internal/record"
	"github.com/gowarren/warren/processor"
)

// Suffix is what the name of a headers file has behind that of its body.
const Suffix = ".headers.json"

// MaxSize is the most bytes that a headers file has. The headers of a message fit 128 KiB, and the text of one has at
// most 7 bytes for each of theirs.
const MaxSize = 1 << 20

// version is that of the format.
const version = 1

// document is a headers file.
type document struct {
	Version int             `json:"warren"`
	Body    *fingerprint    `json:"body,omitempty"`
	Message json.RawMessage `json:"message"`
}

// fingerprint tells to which body the file belongs. Two renames are no one step: without it, a file that was left over
// could be taken for that of another body with the same name.
type fingerprint struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Is reports whether a file with that name is a headers file, in any case: some file systems do not tell them apart.
func Is(name string) bool {
	return len(name) >= len(Suffix) && strings.EqualFold(name[len(name)-len(Suffix):], Suffix)
}

// Write returns the headers file of a message. The error wraps [processor.ErrTooLarge] or [processor.ErrHeaderType].
func Write(to processor.Destination, e processor.Envelope) ([]byte, error) {
	message, err := record.Write(to, e)
	if err != nil {
		return nil, err
	}
	d := document{version, fingerprintOf(e.Body), json.RawMessage(message)}
	written, err := json.MarshalIndent(d, "", " ")
	if len(written) >= MaxSize { // most of it is white space then
		written, err = json.Marshal(d)
	}
	return append(written, '\n'), err
}

// Read returns the message of a headers file with its body. A file that names another body is an error; one that
// names none, as it may if it was written by hand, belongs to any.
func Read(written, body []byte) (to processor.Destination, e processor.Envelope, err error) {
	var d document
	if err := json.Unmarshal(written, &d); err != nil {
		return to, e, fmt.Errorf("no JSON of a headers file: %w", err)
	}
	if d.Version != version || d.Message == nil {
		return to, e, fmt.Errorf(`no headers file of this version: it has no "warren": %d, or no "message"`, version)
	}
	if d.Body != nil && *d.Body != *fingerprintOf(body) {
		return to, e, fmt.Errorf("it belongs to another body: one of %d bytes with the SHA-256 %q", d.Body.Bytes, d.Body.SHA256)
	}
	to, e, err = record.Read(string(d.Message))
	e.Body = body
	return to, e, err
}

// Names reports whether a headers file names that body, so that it can belong to no other.
func Names(written, body []byte) bool {
	var d document
	return json.Unmarshal(written, &d) == nil && d.Version == version && d.Body != nil && *d.Body == *fingerprintOf(body)
}

func fingerprintOf(body []byte) *fingerprint {
	sum := sha256.Sum256(body)
	return &fingerprint{len(body), hex.EncodeToString(sum[:])}
}

// ErrNoIdentity is the error of a message that cannot be told from another.
var ErrNoIdentity = errors.New("headersfile: the message has no id")

// Identity returns what the message is: equal for a message and its redelivery, and different for all others. Headers
// that the broker counts deliveries with are not part of it. A message without an id has none.
func Identity(to processor.Destination, e processor.Envelope) ([sha256.Size]byte, error) {
	if e.ID == "" {
		return [sha256.Size]byte{}, ErrNoIdentity
	}
	if e.Headers != nil {
		e.Headers = e.Headers.Clone()
		for _, counted := range []string{"x-delivery-count", "x-acquired-count"} {
			delete(e.Headers, counted)
		}
		if len(e.Headers) == 0 {
			e.Headers = nil // a first delivery may have had none
		}
	}
	written, err := Write(to, e)
	return sha256.Sum256(bytes.TrimSpace(written)), err
}

// Package lineage names messages, and says which others they follow.
package lineage

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"os"
	"strings"
	"sync"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// HeaderReferences holds the ids of the messages that a message follows, oldest first, one a line, as
// gocept.amqprun writes it.
const HeaderReferences = "references"

// maxReferences is the most bytes of [HeaderReferences]. The second oldest goes first, so that where it all began stays.
const maxReferences = 4 << 10

// host is the part of an id after the @.
var host = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return cmp.Or(excerpt.Of(name, 64), "localhost")
})

// RandomID returns an id that no other message has, in the form of an email's.
func RandomID() string { return "<" + rand.Text() + "@" + host() + ">" }

// DerivedID returns the id of the nth message that follows from the one with the given id in a handler. It is
// always the same, so that a consumer of both sees a message that was sent again.
func DerivedID(id, handler string, n int) string {
	h := sha256.New()
	for _, part := range []string{id, handler} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		_, _ = h.Write([]byte(part))
	}
	_ = binary.Write(h, binary.BigEndian, uint64(n)) //nolint:gosec // not negative
	return "<" + base32.StdEncoding.EncodeToString(h.Sum(nil)[:20]) + "@" + handler + ">"
}

// Follow sets the correlation id of e to the id of msg, and its references to those of msg and that id. What e
// has already stays. It copies the headers before it changes them.
func Follow(e *processor.Envelope, msg processor.Message) {
	id := msg.Properties().ID
	if id == "" {
		return
	}
	e.CorrelationID = cmp.Or(e.CorrelationID, id)
	if _, there := e.Headers[HeaderReferences]; there {
		return
	}
	before, _ := msg.Headers().String(HeaderReferences)
	e.Headers = e.Headers.Clone()
	e.Headers[HeaderReferences] = join(before, id)
}

// join returns the references and id, bounded: the first, and as many of the last as there is room for. A
// sender writes the header, so a long one is not read as a whole.
func join(before, id string) string {
	if len(before) <= maxReferences {
		if all := append(strings.Fields(before), id); len(all) > 0 && size(all) <= maxReferences {
			return strings.Join(all, "\n")
		}
	}
	first := strings.Fields(before[:min(len(before), maxReferences/4)])
	if len(first) == 0 {
		return id
	}
	room := maxReferences - len(first[0]) - 1 - len(id) - 1
	last := strings.Fields(before[max(0, len(before)-max(room, 0)):])
	if len(last) > 0 {
		last = last[1:] // it may be cut
	}
	if room < 0 {
		return id
	}
	return strings.Join(append(append(first[:1:1], last...), id), "\n")
}

func size(references []string) int {
	n := 0
	for _, r := range references {
		n += len(r) + 1
	}
	return n
}

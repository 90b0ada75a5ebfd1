package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// maxText is the most bytes of what a panic says.
const maxText = 256

// id returns what msg is known by in the store, "" if it cannot be told from others.
func (c *config) id(msg processor.Message) (id string, err error) {
	kind, scope := "scope", c.scope
	if scope == "" {
		kind, scope = "queue", msg.Origin().Queue
	}
	if c.key == nil {
		p := msg.Properties()
		if p.ID == "" {
			return "", nil
		}
		return digest(kind, scope, "id", p.AppID, p.Type, p.ID), nil
	}
	key, err := c.ownKey(msg)
	if key == "" || err != nil {
		return "", err
	}
	return digest(kind, scope, "key", key), nil
}

// ownKey calls [Key]. Should that panic on what a sender wrote, the message must not take
// the process down each time it is delivered.
func (c *config) ownKey(msg processor.Message) (key string, err error) {
	returned := false
	defer func() {
		if !returned {
			err = fmt.Errorf("dedup: Key panicked: %s", excerpt.Panic(recover(), maxText))
		}
	}()
	key = c.key(msg)
	returned = true
	return key, nil
}

// digest is the SHA-256 of the parts, each after its length, so that no two lists of
// parts are the same text. Stores hold these: to change it is to forget all messages.
func digest(parts ...string) string {
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// id returns the id of msg in the store, "" if it has none.
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
	key := ""
	if err := callback.Call("dedup: the function given to Key", func() { key = c.key(msg) }); key == "" || err != nil {
		return "", err
	}
	return digest(kind, scope, "key", key), nil
}

// digest is the SHA-256 of the parts, each after its length, so that no two lists of parts are the
// same text. Stores hold these: a change here forgets all messages.
func digest(parts ...string) string {
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

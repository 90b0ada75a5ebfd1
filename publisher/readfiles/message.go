package readfiles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/lineage"
	"github.com/gowarren/warren/processor"
)

// HeaderFilename is the header with the name of the file that a message was made of.
const HeaderFilename = "X-Filename"

// message is what a file becomes.
type message struct {
	envelope processor.Envelope
	file     string // an id of the file in this state
}

// message returns what is published for a file: the message of its headers file, or a new one.
func (r *run) message(c *claim) (message, error) {
	body, headers, err := r.dir.read(c, r.maxSize)
	if err == nil && headers != nil && !headersfile.Names(headers, body) && r.dir.rejoin(c.name, r.maxSize) {
		headers, c.headers = nil, nil // they were those of an earlier file with this name
	}
	if err != nil {
		return message{}, err
	}
	m := message{file: fileID(c, body)}
	if headers == nil {
		m.envelope = processor.Envelope{
			Body: body, Headers: processor.Headers{HeaderFilename: c.name},
			Properties: processor.Properties{
				ContentType: r.contentType, Timestamp: c.info.ModTime().Truncate(time.Second).UTC(),
			},
		}
	} else if _, m.envelope, err = headersfile.Read(headers, body); err != nil {
		return message{}, fmt.Errorf("the headers file beside it cannot be used: %w", err)
	}
	if m.envelope.ID == "" {
		m.envelope.ID = m.file
	}
	return m, nil
}

// fileID returns an id that the file has until it is changed, also after a crash: it is made of the name, the inode,
// the time of the last change and the content. With the time and the inode, a file that comes again with the same name
// and content is another message.
func fileID(c *claim, body []byte) string {
	sum := sha256.Sum256(body)
	state := fmt.Sprintf("%q %d %d %s", c.name, inode(c.info), c.info.ModTime().UnixNano(), hex.EncodeToString(sum[:]))
	return lineage.DerivedID(state, "readfiles", 0)
}

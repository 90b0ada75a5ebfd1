package decode

import (
	"compress/bzip2"
	"io"
	"strings"

	"github.com/gowarren/warren/processor"
)

// compression is the header in which kombu, and so Celery, says how it has compressed a body. The
// content encoding then says what the body was before, such as utf-8.
const compression = "compression"

// kombus are the compressions of kombu that the standard library can decode, by kombu's names.
var kombus = map[string]codec{
	"application/x-gzip": zlibOrGzip,
	"application/x-bz2":  custom(func(src io.Reader) (io.Reader, error) { return bzip2.NewReader(src), nil }),
}

// zlibOrGzip: kombu's gzip is zlib.
func zlibOrGzip(body []byte, limit int) ([]byte, error) {
	if len(body) >= 2 && body[0] == 0x1f && body[1] == 0x8b {
		return gunzip(body, limit)
	}
	return inflate(body, limit)
}

// compressed returns what the header says, empty if it is missing or not kombu's.
func compressed(h processor.Headers) string {
	name, _ := h[compression].(string)
	if !strings.HasPrefix(name, "application/") || strings.Contains(name, ",") {
		return ""
	}
	return name
}

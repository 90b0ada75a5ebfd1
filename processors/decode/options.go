package decode

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// DefaultMaxSize is the most bytes of a decoded body unless [MaxSize] says otherwise. It
// is also the largest message that RabbitMQ takes by default, from 4.0 on.
const DefaultMaxSize = 16 << 20

// Option changes how messages are decoded.
type Option func(*config)

type config struct {
	maxSize int
	codecs  map[string]codec // by name in lower case; nil for one that is ignored
	known   string           // the names of those that decode, for errors
	errs    []error          // of the options
}

func defaults() config {
	codecs := map[string]codec{"gzip": gunzip, "x-gzip": gunzip, "deflate": inflate, "identity": nil}
	maps.Copy(codecs, kombus)
	return config{maxSize: DefaultMaxSize, codecs: codecs}
}

// MaxSize sets the most bytes of a decoded body, and of what each encoding of a list decodes to. A
// larger message is rejected with [ErrTooLarge]; one without an encoding is not measured. Default:
// 16 MiB. At most 2 GiB less a byte.
func MaxSize(bytes int) Option { return func(c *config) { c.maxSize = bytes } }

// Encoding adds an encoding, or replaces one: f returns a reader of what src decodes to. The reader
// is closed if it is an io.Closer. It must read src to its end, and report a stream that is cut
// short: a message with unread bytes is rejected. f may be called concurrently; a panic in it
// rejects the message. For zstd:
//
//	decode.Encoding("zstd", func(src io.Reader) (io.Reader, error) {
//		d, err := zstd.NewReader(src)
//		if err != nil {
//			return nil, err
//		}
//		return d.IOReadCloser(), nil
//	})
//
// Default: gzip, x-gzip and deflate, and kombu's application/x-gzip and application/x-bz2.
func Encoding(name string, f func(src io.Reader) (io.Reader, error)) Option {
	return func(c *config) {
		if f == nil {
			c.errs = append(c.errs, fmt.Errorf("decode: the decoder of %q is nil: leave it out", name))
			return
		}
		c.set(name, custom(f))
	}
}

// Ignore lets messages with one of these words as encoding pass unchanged. Default: only charsets
// and identity.
func Ignore(names ...string) Option {
	return func(c *config) {
		for _, name := range names {
			c.set(name, nil)
		}
	}
}

func (c *config) set(name string, k codec) {
	normal := normalize(name)
	if normal == "" || strings.Contains(normal, ",") {
		c.errs = append(c.errs, fmt.Errorf("decode: %q is no name of an encoding: give one such as zstd", name))
		return
	}
	c.codecs[normal] = k
}

// check returns every reason why the options cannot work.
func (c *config) check() error {
	if c.maxSize < 1 || c.maxSize > math.MaxInt32 {
		c.errs = append(c.errs, fmt.Errorf("decode: MaxSize is %d: it must be from 1 to %d", c.maxSize, math.MaxInt32))
	}
	c.known = strings.Join(c.names(false), ", ")
	return errors.Join(c.errs...)
}

// names returns the names that are ignored, or those that are not.
func (c *config) names(ignored bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.codecs)) {
		if (c.codecs[name] == nil) == ignored {
			names = append(names, name)
		}
	}
	return names
}

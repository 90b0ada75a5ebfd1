package decode

import (
	"fmt"
	"strings"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
)

const (
	// maxSteps is how many encodings a message may have.
	maxSteps = 3
	// maxName is the most bytes of an encoding's name in an error.
	maxName = 64
)

// plan lists the encodings to undo, in that order.
type plan struct {
	steps [maxSteps]step
	n     int
}

type step struct {
	name  string
	codec codec
}

// plan reads an encoding, last name first: it was applied last.
func (c *config) plan(encoding string) (p plan, err error) {
	for more := true; more; {
		comma := strings.LastIndexByte(encoding, ',')
		name := normalize(encoding[comma+1:])
		more = comma >= 0
		encoding = encoding[:max(comma, 0)]

		k, known := c.codecs[name]
		switch {
		case k != nil && p.n == maxSteps:
			return p, fmt.Errorf("decode: the message has more than %d encodings", maxSteps)
		case k != nil:
			p.steps[p.n] = step{name, k}
			p.n++
		case !known && name != "" && !isCharset(name):
			return p, fmt.Errorf("decode: %w: %q; known are %s: decode it with Encoding, or let it pass with Ignore",
				ErrUnknown, excerpt.Of(name, maxName), c.known)
		}
	}
	return p, nil
}

// normalize allocates only for a name that is not in lower case.
func normalize(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// run decodes step by step, so that no step gives the next one more than limit.
func (p *plan) run(body []byte, limit int) ([]byte, error) {
	for _, s := range p.steps[:p.n] {
		decoded, err := s.run(body, limit)
		if err != nil {
			return nil, fmt.Errorf("decode: %s: %w", excerpt.Of(s.name, maxName), err)
		}
		body = decoded
	}
	return body, nil
}

func (s *step) run(body []byte, limit int) (decoded []byte, err error) {
	if problem := callback.Call("the decoder", func() { decoded, err = s.codec(body, limit) }); problem != nil {
		return nil, problem
	}
	return decoded, err
}

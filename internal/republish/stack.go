package republish

import (
	"strings"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
)

// stackTrace is the stack of the panic in err, as processors/recovery keeps it; "" if there is none.
// Its line breaks stay; otherwise it is text as in the other headers.
func stackTrace(err error) string {
	var lines []string
	size := 0
	for line := range strings.Lines(trace(err)) {
		line = excerpt.Of(strings.TrimRight(line, "\r\n"), maxStack-size)
		lines = append(lines, line)
		if size += len(line) + 1; size >= maxStack {
			break
		}
	}
	return strings.Join(lines, "\n")
}

// trace is "" where an Unwrap or a StackTrace panics: they may be a handler's.
func trace(err error) (s string) {
	_ = callback.Call("StackTrace", func() {
		callback.Walk(err, func(e error) bool {
			p, ok := e.(interface{ StackTrace() string })
			if ok {
				s = p.StackTrace()
			}
			return !ok
		})
	})
	return s
}

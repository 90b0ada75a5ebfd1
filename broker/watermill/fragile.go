package watermill

import (
	"net/textproto"
	"strings"
)

// On some brokers metadata are HTTP headers. NATS's client silently writes a line break in a text
// as a space, trims the text, and omits a name that is no HTTP token. Such headers are in the
// reserved entry as well, where they survive.

// isFragile reports whether HTTP headers would change an entry of metadata, or lose it.
func isFragile(name, text string) bool { return !isToken(name) || asHTTP(text) != text }

// asHTTP is what net/http turns a header's value into.
func asHTTP(text string) string {
	return textproto.TrimString(oneLine.Replace(text))
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// isToken reports whether a header can have that name in HTTP.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter, digit := r|0x20 >= 'a' && r|0x20 <= 'z', r >= '0' && r <= '9'
		return !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

package writefiles

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gowarren/warren/internal/headersfile"
)

// forbidden are the characters that cannot be part of a name everywhere, and the one that stands for them.
const forbidden = `/\:*?"<>|%`

// absent stands for a value that is not there.
const absent = "_"

// values are those of the variables for one message.
type values map[variable]string

// path returns the name of each component.
func (p pattern) path(v values) []string {
	names := make([]string, len(p.components))
	for i, c := range p.components {
		names[i] = c.name(v)
	}
	return names
}

// name returns a name that stays in its directory and is valid on every file system.
func (c component) name(v values) string {
	var b strings.Builder
	for i, p := range c.parts {
		switch p.variable {
		case "":
			b.WriteString(p.text)
		case date, unique:
			b.WriteString(v[p.variable])
		case routingKey, msgID, fileName:
			value := encode(v[p.variable], c.share)
			if i == 0 && strings.HasPrefix(value, "-") { // an option, for many programs
				value = percent("-") + value[1:]
			}
			b.WriteString(value)
		}
	}
	return usable(b.String())
}

// addUnique puts a token before the ending of a name.
func addUnique(name, token string) string {
	at := strings.LastIndexByte(name, '.')
	if at <= 0 || len(name)-at > 20 {
		at = len(name)
	}
	return usable(name[:at] + "-" + token + name[at:])
}

// encode returns value as a part of a name, with at most limit bytes. What cannot be part of a name is written as in a
// URL, so that different values are different names. One that is too long ends in a hash.
func encode(value string, limit int) string {
	if value == "" {
		return absent
	}
	const hash = 1 + 16
	var b strings.Builder
	cut := 0
	for rest := value; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		piece := rest[:n]
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) || strings.ContainsRune(forbidden, r) {
			piece = percent(piece)
		}
		rest = rest[n:]
		b.WriteString(piece)
		if b.Len() <= limit-hash {
			cut = b.Len()
		}
		if b.Len() > limit {
			sum := sha256.Sum256([]byte(value))
			return b.String()[:cut] + "~" + base32.StdEncoding.EncodeToString(sum[:10])
		}
	}
	return b.String()
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// usable changes a name that is hidden, reserved by Windows, changed by it, or that of a headers file.
func usable(name string) string {
	if headersfile.Is(name) {
		at := len(name) - len(headersfile.Suffix)
		name = name[:at] + percent(".") + name[at+1:]
	}
	if end := name[len(name)-1]; end == '.' || end == ' ' {
		name = name[:len(name)-1] + percent(string(end))
	}
	if name[0] == '.' || name[0] == ' ' || isDevice(name) {
		name = percent(name[:1]) + name[1:]
	}
	return name
}

// isDevice reports whether Windows takes name for a device, whatever the ending.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, isPort := strings.CutPrefix(base, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(base, "LPT")
	}
	number, n := utf8.DecodeRuneInString(port)
	return isPort && n == len(port) && strings.ContainsRune("0123456789¹²³", number)
}

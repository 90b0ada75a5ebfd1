// Package excerpt bounds text that a sender may have written, such as an error's or a
// message id, before it goes into a header or a log.
package excerpt

import (
	"strings"
	"unicode/utf8"
)

// Of returns at most limit bytes of s, valid UTF-8, with control characters replaced by
// spaces. It never panics.
func Of(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		for len(s) > 0 {
			if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n > 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

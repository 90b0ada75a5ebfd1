// Package excerpt bounds text that a sender may have written, such as an error's or a
// message id, before it goes into a header or a log.
package excerpt

import (
	"fmt"
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

// Error returns at most limit bytes of err's text, as [Of] does. It survives an Error
// method that panics, as that of a nil pointer that was returned as an error may.
func Error(err error, limit int) string { return Of(text(err), limit) }

// Panic returns at most limit bytes of a panic's text, as [Error] does.
func Panic(value any, limit int) string { return Error(panicked{value}, limit) }

type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprint(p.value) }

func text(err error) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("%T, whose Error method panics", err) // %T calls no method
		}
	}()
	return err.Error()
}

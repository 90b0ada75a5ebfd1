// Package quote shows names.
package quote

import (
	"strconv"
	"strings"
	"unicode"
)

// Name is a name for a text: bare if it is one word, else quoted, so that
// no name breaks a line, moves the cursor or looks like something else.
func Name(name string) string {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-:/#*@+", r)
	}
	if name == "" || strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

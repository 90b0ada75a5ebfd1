// Package nearest finds the known name that was probably meant by one that is not known.
package nearest

import (
	"slices"
	"strings"
)

// longest is the longest name that is compared: the work grows with the product of both lengths.
const longest = 100

// Of returns the one of known that is nearest to name, and false if none is near: at most a third of its
// characters, and at least one but not all, may have to be added, removed, replaced or swapped with the next.
// Upper and lower case are the same. Of equally near ones it is one that begins as name does, or else the
// first.
func Of(name string, known ...string) (string, bool) {
	best, least := "", -1
	for _, k := range known {
		if k == "" || name == "" || len(k) > longest || len(name) > longest {
			continue
		}
		d := distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(k)))
		if d > max(1, min(len(k), len(name))/3) || d >= max(len(k), len(name)) {
			continue
		}
		if d *= 2; !strings.EqualFold(k[:1], name[:1]) {
			d++
		}
		if least < 0 || d < least {
			best, least = k, d
		}
	}
	return best, least >= 0
}

// Hint returns ", do you mean X?" if one of known is near, and else ": it can be" with all of them. It is empty if none
// is known.
func Hint(name string, known ...string) string {
	if k, ok := Of(name, known...); ok {
		return ", do you mean " + k + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return ": it can be " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// distance is how many characters have to be added, removed, replaced or swapped with the next to make b of a.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func differ(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}

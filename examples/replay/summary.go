package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gowarren/warren/broker/replay"
)

// maxLines bounds the summary: places and reasons come from messages.
const maxLines = 20

const others = "... and others"

// summary counts the outcomes of messages, by place and by reason.
type summary map[string]int

func (s summary) add(e replay.Event) {
	line := string(e.Outcome)
	switch {
	case e.Outcome == replay.Moved:
		line += " to " + e.To.String()
	case e.Err != nil:
		line += ": " + fmt.Sprintf("%.300q", e.Err.Error())
	default:
		line += ": not asked for"
	}
	if _, known := s[line]; !known && len(s) >= maxLines {
		line = others
	}
	s[line]++
}

// print prints one line for each, the most frequent first, including the counts of a run that began
// again.
func (s summary) print(out io.Writer) {
	lines := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), cmp.Compare(a, b))
	})
	for _, line := range lines {
		fmt.Fprintf(out, "%7d %s\n", s[line], line)
	}
}

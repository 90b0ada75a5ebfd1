package frames

import (
	"encoding/binary"
	"slices"
)

// rebuild returns a table that the client reads, in place of one that it does not.
func rebuild(table []byte) []byte {
	built, rest := rebuildTable(table, 0)
	if len(rest) == 0 {
		return built
	}
	return appendBytes(built, Header, rest)
}

// rebuildTable returns the table up to the first entry that cannot be read, and the rest.
func rebuildTable(table []byte, depth int) (built, rest []byte) {
	most, seen := maxEntries, map[string]struct{}{}
	if depth == 0 { // what Header says is said here alone
		most, seen[Header] = maxHeaders, struct{}{}
	}
	entries := 0
	for at := 0; at < len(table); {
		value := at + 1 + int(table[at])
		end := extent(table, value)
		if end < 0 {
			return built, table[at:]
		}
		key := string(keyAt(table, at))
		if _, twice := seen[key]; !twice {
			if entries == most {
				return built, table[at:]
			}
			entries++
			seen[key] = struct{}{}
			built = appendValue(append(built, table[at:value]...), table[value:end], depth)
		}
		at = end
	}
	return built, nil
}

func rebuildList(list []byte, depth int) (built, rest []byte) {
	entries := 0
	for at := 0; at < len(list); entries++ {
		end := extent(list, at)
		if end < 0 || entries == maxEntries {
			return built, list[at:]
		}
		built = appendValue(built, list[at:end], depth)
		at = end
	}
	return built, nil
}

// appendValue appends a value with its type. A table or list that cannot be read is a byte array.
func appendValue(to, value []byte, depth int) []byte {
	kind, inner := value[0], rebuildTable
	switch kind {
	case 'L':
		return append(append(to, 'l'), value[1:]...)
	case 'A':
		inner = rebuildList
	case 'F':
	default:
		return append(to, value...)
	}
	content := value[5:]
	if depth == maxDepth {
		return appendSized(to, 'x', content)
	}
	built, rest := inner(content, depth+1)
	if len(rest) > 0 {
		return appendSized(to, 'x', content)
	}
	return appendSized(to, kind, built)
}

func appendSized(to []byte, kind byte, content []byte) []byte {
	to = binary.BigEndian.AppendUint32(append(to, kind), uint32(len(content))) //nolint:gosec // under 1 MiB
	return append(to, content...)
}

// appendBytes appends an entry of a table that is a byte array.
func appendBytes(to []byte, key string, content []byte) []byte {
	return appendSized(append(append(to, byte(len(key))), key...), 'x', content) //nolint:gosec // our own key
}

// leaveOut leaves out entries of a readable table, so that it takes at most that many bytes, of which
// keep are for what was left out. x-death goes first, since the broker makes it grow, and then the
// largest.
func leaveOut(table []byte, size, keep int) []byte {
	type entry struct{ begin, end, weight int }
	var entries []entry
	for at := 0; at < len(table); {
		key := keyAt(table, at)
		end := extent(table, at+1+len(key))
		e := entry{at, end, end - at}
		switch string(key) {
		case Header: // there is one
			e.weight = 2 * len(table)
		case "x-death":
			e.weight = len(table)
		}
		entries = append(entries, e)
		at = end
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.weight - a.weight })
	var left []byte
	out, total := 0, len(table)+keep
	for ; out < len(entries) && total > size; out++ {
		e := entries[out]
		left = append(left, table[e.begin:e.end]...)
		total -= e.end - e.begin
	}
	kept := entries[out:]
	slices.SortFunc(kept, func(a, b entry) int { return a.begin - b.begin })
	var built []byte
	for _, e := range kept {
		built = append(built, table[e.begin:e.end]...)
	}
	return appendBytes(built, Header, left[:min(len(left), keep)])
}

package frames

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// What the client reads: see readFieldDepth of amqp091-go.
const (
	maxDepth   = 32
	maxEntries = 8192

	// maxHeaders is how many entries stay of an outermost table with more than maxEntries. A copy of
	// the message has some headers more.
	maxHeaders = 8000
)

// tables looks at header tables, and keeps what it needs for that from one to the next.
type tables struct {
	seed  maphash.Seed
	slots []uint32
}

// readable reports whether the client reads the table, and reads in it what RabbitMQ reads, once
// each type L in it is an l: it changes these. The table is as AMQP encodes it, without its length.
func (t *tables) readable(table []byte) bool { return t.table(table, 0) }

func (t *tables) table(table []byte, depth int) bool {
	var starts [few]int // of the first entries
	entries := 0
	for at := 0; at < len(table); entries++ {
		if entries < few {
			starts[entries] = at //nolint:gosec // below few
		}
		at += 1 + int(table[at])
		end := extent(table, at)
		if end < 0 || !t.value(table[at:end], depth) {
			return false
		}
		at = end
	}
	switch {
	case entries <= few:
		return !doubled(table, starts[:entries])
	case entries <= maxEntries:
		return !t.collides(table, entries)
	}
	return false
}

func (t *tables) list(list []byte, depth int) bool {
	entries := 0
	for at := 0; at < len(list); entries++ {
		end := extent(list, at)
		if end < 0 || !t.value(list[at:end], depth) {
			return false
		}
		at = end
	}
	return entries <= maxEntries
}

// value looks at one value with its type.
func (t *tables) value(value []byte, depth int) bool {
	switch value[0] {
	case 'L':
		value[0] = 'l'
	case 'F':
		return depth < maxDepth && t.table(value[5:], depth+1)
	case 'A':
		return depth < maxDepth && t.list(value[5:], depth+1)
	}
	return true
}

// extent returns where the value ends whose type is at t[at]; -1 if the type is unknown or the value
// is not whole.
func extent(t []byte, at int) int {
	if at >= len(t) {
		return -1
	}
	left := int64(len(t) - at - 1)
	var size int64
	switch t[at] {
	case 'V':
	case 't', 'b', 'B':
		size = 1
	case 's', 'u':
		size = 2
	case 'I', 'i', 'f':
		size = 4
	case 'D':
		size = 5
	case 'l', 'L', 'd', 'T':
		size = 8
	case 'S', 'x', 'A', 'F':
		if left < 4 {
			return -1
		}
		size = 4 + int64(binary.BigEndian.Uint32(t[at+1:]))
	default:
		return -1
	}
	if size > left {
		return -1
	}
	return at + 1 + int(size)
}

// few is the most keys that are compared with each other.
const few = 12

// doubled reports whether two of the entries that begin there have the same key.
func doubled(table []byte, starts []int) bool {
	for i, at := range starts {
		for _, other := range starts[:i] {
			if table[at] == table[other] && bytes.Equal(keyAt(table, at), keyAt(table, other)) {
				return true
			}
		}
	}
	return false
}

// collides is doubled by hashing: a slot holds where its key is, plus one.
func (t *tables) collides(table []byte, entries int) bool {
	size := 1
	for size < 2*entries {
		size *= 2
	}
	if cap(t.slots) == 0 {
		t.seed = maphash.MakeSeed()
	}
	t.slots = slices.Grow(t.slots[:0], size)[:size]
	clear(t.slots)
	for at := 0; at < len(table); {
		key := keyAt(table, at)
		slot := maphash.Bytes(t.seed, key) & uint64(size-1) //nolint:gosec // a power of two
		for t.slots[slot] != 0 {
			if bytes.Equal(keyAt(table, int(t.slots[slot]-1)), key) {
				return true
			}
			slot = (slot + 1) & uint64(size-1) //nolint:gosec // as above
		}
		t.slots[slot] = uint32(at + 1) // under 1 MiB
		at = extent(table, at+1+len(key))
	}
	return false
}

// keyAt is the key of the entry that begins at table[at].
func keyAt(table []byte, at int) []byte { return table[at+1 : at+1+int(table[at])] }

package frames_test

import (
	"encoding/binary"
	"errors"
	"strings"
)

// What the client reads, and what RabbitMQ reads, each as plainly as can be.

var errUnreadable = errors.New("unreadable")

// value is a value of one type: uint64 for all numbers, []byte, []value, []entry.
type value struct {
	kind byte
	data any
}

type entry struct {
	key   string
	value value
}

// parser reads a table. The client's limits are those of amqp091-go, none for RabbitMQ.
type parser struct{ depth, entries int }

var (
	client   = parser{depth: 32, entries: 8192}
	rabbitmq = parser{depth: 1 << 30, entries: 1 << 30}
)

func (p parser) table(b []byte, depth int) ([]entry, error) {
	all := []entry{}
	for len(b) > 0 {
		n := int(b[0])
		if depth > p.depth || len(b) < 1+n || len(all) == p.entries {
			return nil, errUnreadable
		}
		e := entry{key: string(b[1 : 1+n])}
		var err error
		if e.value, b, err = p.value(b[1+n:], depth); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if depth > p.depth {
		return nil, errUnreadable
	}
	return all, nil
}

func (p parser) list(b []byte, depth int) ([]value, error) {
	all := []value{}
	if depth > p.depth {
		return nil, errUnreadable
	}
	for len(b) > 0 {
		if len(all) == p.entries {
			return nil, errUnreadable
		}
		var v value
		var err error
		if v, b, err = p.value(b, depth); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (p parser) value(b []byte, depth int) (v value, rest []byte, err error) {
	if len(b) == 0 {
		return v, nil, errUnreadable
	}
	v.kind, b = b[0], b[1:]
	if v.kind == 'L' {
		if p == client {
			return v, nil, errUnreadable
		}
		v.kind = 'l'
	}
	if n, number := map[byte]int{'V': 0, 't': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2, 'I': 4, 'i': 4, 'f': 4, 'D': 5, 'l': 8, 'd': 8, 'T': 8}[v.kind]; number {
		if len(b) < n {
			return v, nil, errUnreadable
		}
		v.data = string(b[:n])
		return v, b[n:], nil
	}
	if !strings.ContainsRune("SxAF", rune(v.kind)) || len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return v, nil, errUnreadable
	}
	n := int(binary.BigEndian.Uint32(b))
	content := b[4 : 4+n]
	switch v.kind {
	case 'A':
		v.data, err = p.list(content, depth+1)
	case 'F':
		v.data, err = p.table(content, depth+1)
	default:
		v.data = string(content)
	}
	return v, b[4+n:], err
}

// firsts is the table with the first value of each key, at every depth: what RabbitMQ acts on.
func firsts(t []entry) []entry {
	seen := map[string]bool{}
	kept := []entry{}
	for _, e := range t {
		if !seen[e.key] {
			seen[e.key] = true
			kept = append(kept, entry{e.key, firstsIn(e.value)})
		}
	}
	return kept
}

func firstsIn(v value) value {
	switch data := v.data.(type) {
	case []entry:
		v.data = firsts(data)
	case []value:
		all := make([]value, len(data))
		for i := range data {
			all[i] = firstsIn(data[i])
		}
		v.data = all
	}
	return v
}

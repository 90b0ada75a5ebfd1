package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/quote"
)

// value is one value of a configuration, and where it is from.
type value struct {
	from  source
	kind  kind
	table map[string]*value
	names map[string]string // the keys of table by the part of a variable's name, once someone has asked
	list  []*value
	// scalar returns a string, int64, uint64, float64, bool or time.Time. It is a function so that printing a
	// value, even by reflection, shows none.
	scalar func() any
	// untyped is a text that becomes whatever is wanted, since a variable of the environment and the file of a secret have
	// nothing but text.
	untyped bool
}

type kind int

const (
	nothing kind = iota // null, or a key without a value
	scalar
	list
	table
)

// source is where a value is from.
type source struct {
	name     string // a file or a variable
	line     int    // 0: not known
	variable bool
	hidden   bool // the value is a secret, whatever its key
}

func (s source) String() string {
	switch {
	case s.variable:
		return quote.Name(s.name)
	case s.line == 0:
		return s.name
	}
	return s.name + ":" + strconv.Itoa(s.line)
}

func newTable(from source) *value { return &value{from: from, kind: table, table: map[string]*value{}} }

func newScalar(from source, x any) *value {
	return &value{from: from, kind: scalar, scalar: func() any { return x }}
}

func newText(from source, text string) *value {
	v := newScalar(from, text)
	v.untyped = true
	return v
}

func (v *value) set() bool { return v != nil && v.kind != nothing }

// keys are the keys of a table, sorted.
func (v *value) keys() []string { return slices.Sorted(maps.Keys(v.table)) }

// put sets a key of a table.
func (v *value) put(key string, e *value) {
	v.table[key] = e
	if v.names != nil {
		v.name(key)
	}
}

// matching is the key of a table that a part of a variable's name stands for.
func (v *value) matching(part string) string {
	if v.names == nil {
		v.names = make(map[string]string, len(v.table))
		for _, key := range v.keys() {
			v.name(key)
		}
	}
	if key, ok := v.names[part]; ok {
		return key
	}
	return strings.ToLower(part)
}

// name adds a key to names, where the first one stays.
func (v *value) name(key string) {
	if part := variable(key); v.names[part] == "" {
		v.names[part] = key
	}
}

// text returns the value and true if it is a string.
func (v *value) text() (string, bool) {
	if v.kind != scalar {
		return "", false
	}
	s, ok := v.scalar().(string)
	return s, ok
}

// plain returns v as Go's own maps, slices and scalars.
func (v *value) plain() any {
	switch v.kind {
	case scalar:
		return v.scalar()
	case list:
		all := make([]any, len(v.list))
		for i, e := range v.list {
			all[i] = e.plain()
		}
		return all
	case table:
		all := make(map[string]any, len(v.table))
		for k, e := range v.table {
			all[k] = e.plain()
		}
		return all
	}
	return nil
}

// maxShown is how many bytes of a text an error shows.
const maxShown = 40

// describe says what v is. It shows the value itself unless that may be a secret.
func (v *value) describe(path string) string {
	switch v.kind {
	case list:
		return "a list"
	case table:
		return "a table"
	case nothing:
		return "empty"
	}
	what, x := "the number", v.scalar()
	switch s := x.(type) {
	case string:
		what, x = "the text", strconv.Quote(excerpt.Of(s, maxShown))
	case bool:
		what = ""
	case time.Time:
		what = "the time"
	}
	if v.mayBeSecret(path) {
		return "a " + cmp.Or(strings.TrimPrefix(what, "the "), "bool")
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v", what, x))
}

// mayBeSecret reports whether the scalar at path should not be shown: it is from the file of a secret, its
// key says so, or it looks like a URL or credentials.
func (v *value) mayBeSecret(path string) bool {
	text, _ := v.text()
	return v.from.hidden || namesSecret(path) || strings.Contains(text, "://") || strings.Contains(text, "@")
}

// namesSecret reports whether the value at path is probably a secret, by the last part of its name, or by a
// table that it is in.
func namesSecret(path string) bool {
	tables, name := "", strings.ToLower(path)
	if at := strings.LastIndex(name, "."); at >= 0 {
		tables, name = name[:at], name[at+1:]
	}
	within := func(text string) func(word string) bool {
		return func(word string) bool { return strings.Contains(text, word) }
	}
	certain := []string{"pass", "pwd", "secret", "token", "cred"}
	return slices.ContainsFunc(certain, within(tables)) || slices.ContainsFunc(certain, within(name)) ||
		slices.ContainsFunc([]string{"key", "auth", "brokers", "dsn", "url"}, within(name))
}

// concealed is v, whose text no error shows.
func (v *value) concealed() *value {
	hidden := *v
	hidden.from.hidden = true
	return &hidden
}

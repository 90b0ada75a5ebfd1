package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML returns the table that text is.
func parseTOML(file string, text []byte, found *problems) *value {
	all := map[string]any{}
	if err := toml.Unmarshal(text, &all); err != nil {
		from := source{name: file}
		if at := new(toml.DecodeError); errors.As(err, &at) {
			from.line, _ = at.Position()
		}
		found.addf(from, "", "is no TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		return newTable(source{name: file})
	}
	r := &tomlReader{file: file, lines: tomlLines(text)}
	return r.read("", 0, all)
}

type tomlReader struct {
	file  string
	lines map[string]int // by path
}

// read makes a value of x. line is that of what x is in.
func (r *tomlReader) read(path string, line int, x any) *value {
	if own := r.lines[path]; own != 0 {
		line = own
	}
	from := source{name: r.file, line: line}
	switch x := x.(type) {
	case map[string]any:
		v := newTable(from)
		for k, e := range x {
			v.table[k] = r.read(below(path, k), line, e)
		}
		return v
	case []any:
		v := &value{from: from, kind: list}
		for i, e := range x {
			v.list = append(v.list, r.read(index(path, i), line, e))
		}
		return v
	case int64, float64, bool, string, time.Time:
		return newScalar(from, x)
	}
	return newScalar(from, fmt.Sprint(x)) // a date or a time of day
}

// tomlLines returns the lines of the keys in text, which is valid. The parser is the library's own, under a
// package that may change between versions: without it, errors have no lines.
func tomlLines(text []byte) map[string]int {
	lines := map[string]int{}
	elements := map[string]int{} // of lists of tables
	p := &unstable.Parser{}
	p.Reset(text)
	within := ""
	for p.NextExpression() {
		e := p.Expression()
		path, line := "", 0
		if e.Kind == unstable.KeyValue {
			path = within
		}
		for keys := e.Key(); keys.Next(); {
			if n, ok := elements[path]; ok {
				path = index(path, n-1)
			}
			k := keys.Node()
			path, line = below(path, string(k.Data)), p.Shape(k.Raw).Start.Line
			if lines[path] == 0 {
				lines[path] = line
			}
		}
		switch e.Kind {
		case unstable.Table:
			within = path
		case unstable.ArrayTable:
			elements[path]++
			within = index(path, elements[path]-1)
			lines[within] = line
		}
	}
	return lines
}

// below is the path of a key among the lines. A key may have dots.
func below(path, key string) string { return path + "\x00" + key }

// join is the path of the key in the table at path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// index is the path of an element of the list at path.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

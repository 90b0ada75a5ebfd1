package config

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxValues is how many values a file may have, counted with each use of an alias: a few lines of aliases of
// aliases are millions of them.
const maxValues = 100_000

// parseYAML returns the table that text is. The library's own decoding is not used: it knows no lines, and
// takes the first of several documents.
func parseYAML(file string, text []byte, found *problems) *value {
	from := source{name: file}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return newTable(from)
	}
	if err != nil {
		found.add(from, "", syntax(err))
		return newTable(from)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		found.addf(from, "", "there is a second document after a line of ---: write one only")
	}
	r := &yamlReader{file: file, found: found, open: map[*yaml.Node]bool{}}
	return r.read(&document)
}

// syntax is an error of the library without anything that could be a piece of a secret: a password that
// begins with * is an alias to it, and the name of the alias is in its error.
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if before, _, found := strings.Cut(text, "unknown anchor"); found {
		return errors.New(before + "an alias without an anchor: put a text that begins with * into quotes")
	}
	return errors.New("is no YAML: " + text)
}

type yamlReader struct {
	file  string
	found *problems
	open  map[*yaml.Node]bool // aliases that are being read
	count int
}

func (r *yamlReader) read(n *yaml.Node) *value {
	from := source{name: r.file, line: n.Line}
	if r.count++; r.count > maxValues {
		if r.count == maxValues+1 {
			r.found.addf(from, "", "there are more than %d values, counted with each use of an alias", maxValues)
		}
		return &value{from: from}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.read(n.Content[0])
	case yaml.AliasNode:
		return r.alias(n)
	case yaml.MappingNode:
		return r.mapping(n)
	case yaml.SequenceNode:
		v := &value{from: from, kind: list}
		for _, e := range n.Content {
			v.list = append(v.list, r.read(e))
		}
		return v
	}
	return r.scalar(n)
}

func (r *yamlReader) alias(n *yaml.Node) *value {
	if r.open[n.Alias] {
		from := source{name: r.file, line: n.Line}
		r.found.addf(from, "", "an alias is inside of what it names")
		return &value{from: from}
	}
	r.open[n.Alias] = true
	defer delete(r.open, n.Alias)
	return r.read(n.Alias)
}

func (r *yamlReader) mapping(n *yaml.Node) *value {
	v := newTable(source{name: r.file, line: n.Line})
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, content := n.Content[i], n.Content[i+1]
		from := source{name: r.file, line: key.Line}
		switch {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			merged = append(merged, content)
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			r.found.addf(from, "", "a key is no text")
		case v.table[key.Value] != nil:
			r.found.addf(from, key.Value, "is there twice, and first in line %d", v.table[key.Value].from.line)
		default:
			e := r.read(content)
			e.from.line = key.Line
			v.table[key.Value] = e
		}
	}
	for _, m := range merged {
		r.merge(v, m.Line, r.read(m))
	}
	return v
}

// merge adds what the table base, or each of a list of them, has and v has not: the key <<.
func (r *yamlReader) merge(v *value, line int, base *value) {
	switch base.kind {
	case table:
		for k, e := range base.table {
			if v.table[k] == nil {
				v.table[k] = e
			}
		}
	case list:
		for _, e := range base.list {
			r.merge(v, line, e)
		}
	default:
		r.found.addf(source{name: r.file, line: line}, "<<", "is no table to merge")
	}
}

func (r *yamlReader) scalar(n *yaml.Node) *value {
	from := source{name: r.file, line: n.Line}
	var x any
	if err := n.Decode(&x); err != nil { // it quotes the value
		r.found.addf(from, "", "a value is not what its tag %s says", n.ShortTag())
		return &value{from: from}
	}
	switch x := x.(type) {
	case nil:
		return &value{from: from}
	case int, int64, uint64:
		return r.integer(from, n.Value)
	case float64:
		if leadingZero.MatchString(n.Value) {
			return r.integer(from, n.Value)
		}
		return newScalar(from, x)
	case bool, string, time.Time:
		return newScalar(from, x)
	}
	return newScalar(from, n.Value)
}

// integer is the number that text is for the library. An error does not show it, since it may be a secret.
func (r *yamlReader) integer(from source, text string) *value {
	n, ok := integer(text)
	if !ok {
		problem := "a number has _ where no digits are around it"
		if leadingZero.MatchString(text) {
			problem = zeroCure + ", and put a text into quotes"
		}
		r.found.addf(from, "", "%s", problem)
		return &value{from: from}
	}
	return newScalar(from, n)
}

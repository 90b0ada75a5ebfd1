package writefiles

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gowarren/warren/internal/headersfile"
)

// part is a piece of a pattern: a text, or a variable.
type part struct {
	text     string
	variable variable // "" is a text
}

// component is what lies between two slashes of a pattern: the name of a directory or, the last one, of a file.
type component struct {
	parts []part
	limit int // bytes of the name
	share int // bytes of each value that a sender controls
}

// pattern makes names of files.
type pattern struct {
	components []component
	unique     bool // the last component has ${unique}
}

// Limits of a name, in bytes.
const (
	maxComponent = 255
	maxBodyName  = maxComponent - len(headersfile.Suffix)
	tokenLength  = 26
	dateLength   = len("2006-01-02")
	addition     = 1 + tokenLength // what makes a name unique that is taken
	escapes      = 8               // what a name grows by if it cannot be used as it is
	minShare     = 32
)

// parse reads a pattern. It refuses what could never be a name, so that senders alone cause names to be changed.
func parse(text string) (pattern, error) {
	var p pattern
	pieces := strings.Split(text, "/")
	for i, piece := range pieces {
		c := component{limit: maxComponent}
		if last := i == len(pieces)-1; last {
			c.limit = maxBodyName
		}
		var err error
		if c.parts, err = parseParts(piece); err == nil {
			err = errors.Join(checkTexts(c.parts), c.divide())
		}
		if err != nil {
			return p, fmt.Errorf("writefiles: the pattern %.300q: %w", text, err)
		}
		p.components = append(p.components, c)
	}
	last := p.components[len(p.components)-1]
	p.unique = last.has(unique)
	if s := last.parts[len(last.parts)-1].text; headersfile.Is(s) {
		return p, fmt.Errorf("writefiles: the pattern %.300q ends in %s, as the files with the headers do: choose another ending", text, headersfile.Suffix)
	}
	return p, nil
}

func (c component) has(v variable) bool {
	return slices.ContainsFunc(c.parts, func(p part) bool { return p.variable == v })
}

// isFixed reports whether all messages of a day have the same name there.
func (c component) isFixed() bool {
	return !slices.ContainsFunc(c.parts, func(p part) bool { return p.variable != "" && p.variable != date })
}

// parseParts reads one component.
func parseParts(piece string) ([]part, error) {
	if piece == "" {
		return nil, errors.New("a name is empty: it begins or ends with a slash, or has two in a row; files are named below the directory")
	}
	var parts []part
	add := func(p part) {
		if last := len(parts) - 1; p.variable == "" && last >= 0 && parts[last].variable == "" {
			parts[last].text += p.text
			return
		}
		parts = append(parts, p)
	}
	for rest := piece; rest != ""; {
		at := strings.IndexAny(rest, "${}")
		switch {
		case at < 0:
			add(part{text: rest})
			return parts, nil
		case at > 0:
			add(part{text: rest[:at]})
			rest = rest[at:]
		case strings.HasPrefix(rest, "$$"):
			add(part{text: "$"})
			rest = rest[2:]
		default:
			name, after, err := parseVariable(rest)
			if err != nil {
				return nil, err
			}
			add(part{variable: name})
			rest = after
		}
	}
	return parts, nil
}

// parseVariable reads ${name} or {name}.
func parseVariable(text string) (v variable, rest string, err error) {
	inner, opens := strings.CutPrefix(strings.TrimPrefix(text, "$"), "{")
	name, rest, closes := strings.Cut(inner, "}")
	switch {
	case text[0] == '}':
		return "", "", errors.New("there is a } without a {: names of files cannot have braces")
	case !opens:
		return "", "", errors.New("there is a $ without a brace: write ${name} for a variable, and $$ for a dollar")
	case !closes:
		return "", "", fmt.Errorf("the brace of %.40q is not closed: write ${name}", text)
	}
	v, err = named(name)
	return v, rest, err
}

// checkTexts refuses texts that not every file system takes, or that other programs do not see as part of a name.
func checkTexts(parts []part) error {
	for _, p := range parts {
		for _, r := range p.text {
			if r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) || strings.ContainsRune(forbidden, r) {
				return fmt.Errorf("%q cannot be part of a name everywhere: leave it out", r)
			}
		}
	}
	if first := parts[0].text; first != "" && (first[0] == '.' || first[0] == ' ') {
		return errors.New("a name begins with a dot or a space: many programs, readfiles among them, do not see such files")
	}
	if last := parts[len(parts)-1].text; last != "" && (last[len(last)-1] == '.' || last[len(last)-1] == ' ') {
		return errors.New("a name ends with a dot or a space: Windows leaves it out")
	}
	return nil
}

// divide gives each value that a sender controls its share of the bytes that a name may have.
func (c *component) divide() error {
	room, values := c.limit-escapes-addition, 0
	for _, p := range c.parts {
		switch p.variable {
		case "":
			room -= len(p.text)
		case unique:
			room -= tokenLength
		case date:
			room -= dateLength
		case routingKey, msgID, fileName:
			values++
		}
	}
	if room < values*minShare {
		return fmt.Errorf("a name can get longer than %d bytes: shorten its text, or make directories of it with a slash", c.limit)
	}
	c.share = room / max(values, 1)
	return nil
}

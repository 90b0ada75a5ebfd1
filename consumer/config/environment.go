package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gowarren/warren/internal/nearest"
)

// settingsKey is the table that is free.
const settingsKey = "settings"

// level separates the keys of a path in the name of a variable.
const level = "__"

// separators are replaced in the name of a variable.
var separators = strings.NewReplacer(".", level, "-", "_")

// variable is the part of a variable's name, after the prefix, that sets path.
func variable(path string) string {
	return strings.ToUpper(separators.Replace(path))
}

// injected are variables that Kubernetes sets for each service: one that is named warren gives WARREN_PORT and others.
var injected = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// environment sets in root what the variables with the prefix say. settable are the paths that can be set.
// An empty variable is as none.
func environment(root *value, prefix string, environ, settable []string, found *problems) {
	paths := map[string]string{}
	for _, path := range settable {
		paths[variable(path)] = path
	}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || text == "" {
			continue
		}
		from := source{name: name, variable: true}
		parts := strings.Split(rest, level)
		free := parts[0] == variable(settingsKey) && len(parts) > 1 && !slices.Contains(parts, "")
		path, known := paths[rest]
		if known { // the program's names may have __
			parts = strings.Split(path, ".")
			for i, key := range parts {
				parts[i] = variable(key)
			}
		}
		switch {
		case known || free:
			insert(root, parts, newText(from, text), found)
		case !injected.MatchString(rest):
			found.addf(from, "", "unknown%s", hint(root, prefix, rest, paths))
		}
	}
}

// hint says what can be done about an unknown variable.
func hint(root *value, prefix, rest string, paths map[string]string) string {
	all := slices.Sorted(maps.Keys(paths))
	first, _, _ := strings.Cut(rest, level)
	for _, key := range root.keys() {
		if variable(key) == first && root.table[key].kind == list {
			return ": " + name(key) + " is a list, which is set in the file"
		}
	}
	if name, ok := nearest.Of(strings.ReplaceAll(rest, level, "_"), flat(all)...); ok {
		return ", do you mean " + prefix + all[slices.Index(flat(all), name)] + "?"
	}
	free := variable(settingsKey) + level + "..."
	return ": " + prefix + strings.Join(all, ", "+prefix) + " can be set, and " + prefix + free
}

// flat are names with one underscore between keys, as one may expect them.
func flat(names []string) []string {
	all := slices.Clone(names)
	for i, n := range all {
		all[i] = strings.ReplaceAll(n, level, "_")
	}
	return all
}

// insert sets the value of a variable, whose name has the parts, in the table in.
func insert(in *value, parts []string, v *value, found *problems) {
	path := ""
	for i, part := range parts {
		key := in.matching(part)
		at := in.table[key]
		path = join(path, key)
		switch last := i == len(parts)-1; {
		case last && at.set() && at.kind == table:
			found.addf(v.from, path, "is a table in %v: a variable sets a value of it, as %v%s... does", at.from, v.from, level)
			return
		case last:
			in.put(key, v)
			return
		case !at.set():
			at = newTable(v.from)
			in.put(key, at)
		case at.kind != table:
			found.addf(v.from, path, "is %s in %v: nothing can be below it", at.describe(path), at.from)
			return
		}
		in = at
	}
}

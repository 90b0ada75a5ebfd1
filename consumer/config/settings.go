package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/gowarren/warren/internal/nearest"
)

// settings are the free settings of a process.
type settings struct {
	root   *value
	from   source
	prefix string
	folder string

	decoded sync.Map // by request: each value is decoded, and a secret's file read, once
}

type request struct {
	key string
	typ reflect.Type
}

type contextKey struct{}

// Setting returns the setting with a key such as "imports.timeout" as a T: a scalar, a list, a map, or a
// struct for a table of them, by the rules of the package. Use it in a handler, which runs under
// [Config.Context]. It is decoded once and then shared: do not change a slice, a map or what a pointer points
// to. It may be called concurrently.
//
// The error names the key, what was found, and the file and line or the variable. It wraps [ErrMissing] if
// nobody has set the key. [Requires] makes it an error of [Load].
func Setting[T any](ctx context.Context, key string) (T, error) {
	s, ok := ctx.Value(contextKey{}).(*settings)
	if !ok {
		var zero T
		return zero, fmt.Errorf("config: %s: the context has no settings: run the consumer under Context of the Config", key)
	}
	return setting[T](s, key)
}

// SettingOr is [Setting], and otherwise if nobody has set the key. A setting that is malformed is an error
// all the same.
func SettingOr[T any](ctx context.Context, key string, otherwise T) (T, error) {
	v, err := Setting[T](ctx, key)
	if errors.Is(err, ErrMissing) {
		return otherwise, nil
	}
	return v, err
}

func setting[T any](s *settings, key string) (T, error) {
	want := request{key, reflect.TypeFor[T]()}
	if v, ok := s.decoded.Load(want); ok {
		return v.(T), nil //nolint:forcetypeassert // it is stored below
	}
	var to T
	if err := s.decode(key, &to); err != nil {
		var zero T
		return zero, err
	}
	s.decoded.Store(want, to)
	return to, nil
}

func (s *settings) decode(key string, to any) error {
	found := &problems{}
	d := &decoder{folder: s.folder, found: found}
	in, path := s.root, settingsKey
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		if in, path = in.table[part], join(path, part); !in.set() || in.kind != table {
			in = newTable(s.from)
		}
	}
	last := parts[len(parts)-1]
	v := in.table[last]
	if fromText(reflect.TypeOf(to).Elem()) {
		v = d.valueOrFile(in, path, last)
	}
	if !v.set() && len(found.all) == 0 {
		s.missing(key, found)
	}
	d.into(v, join(path, last), to)
	return found.err()
}

// missing reports a key that is not set.
func (s *settings) missing(key string, found *problems) {
	did := ""
	if k, ok := nearest.Of(key, paths(s.root, "")...); ok {
		did = ", do you mean " + k + "?"
	}
	path := join(settingsKey, key)
	found.addf(s.from, path, "%w: write it there, or set %s%s%s", ErrMissing, s.prefix, variable(path), did)
}

// paths are those of all values below v that are no table.
func paths(v *value, path string) []string {
	if v.kind != table {
		return []string{strings.TrimSuffix(path, fileSuffix)}
	}
	var all []string
	for _, k := range v.keys() {
		all = append(all, paths(v.table[k], join(path, k))...)
	}
	return all
}

// splitDots returns the table v with a table for each dot in a key, so that imports.timeout is the same setting
// however it is written.
func splitDots(v *value, path string, found *problems) *value {
	made := newTable(v.from)
	for _, key := range v.keys() {
		e := v.table[key]
		if e.kind == table {
			e = splitDots(e, join(path, key), found)
		}
		place(made, path, key, e, found)
	}
	return made
}

// place puts e into the table in, under a key that may have dots.
func place(in *value, path, key string, e *value, found *problems) {
	first, rest, dotted := strings.Cut(key, ".")
	path = join(path, first)
	at := in.table[first]
	switch {
	case first == "" || dotted && rest == "":
		found.addf(e.from, path, "a key is empty, before, between or after dots")
	case unreachable(first, dotted || e.kind == table):
		found.addf(e.from, path, "two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it")
	case dotted:
		if at == nil {
			at = newTable(e.from)
			in.put(first, at)
		}
		if at.kind != table {
			found.addf(e.from, join(path, rest), "is below %s (%v), which is %s", name(path), at.from, at.describe(path))
			return
		}
		place(at, path, rest, e, found)
	case at == nil:
		if twin := in.matching(variable(first)); in.table[twin] != nil {
			found.addf(e.from, path, "is, for the environment, the same as %s (%v): rename one", name(twin), in.table[twin].from)
			return
		}
		in.put(first, e)
	case at.kind == table && e.kind == table:
		for _, k := range e.keys() {
			place(at, path, k, e.table[k], found)
		}
	default:
		found.addf(e.from, path, "is there twice, and first in %v", at.from)
	}
}

// unreachable reports whether the variable of a key would be that of a key in a table.
func unreachable(key string, isTable bool) bool {
	part := variable(key)
	return strings.Contains(part, level) || isTable && strings.HasSuffix(part, "_")
}

package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// field is a key of a table that a struct takes.
type field struct {
	name  string
	index []int
	typ   reflect.Type
}

// fileSuffix ends the key of a file that has the value of another key.
const fileSuffix = "_file"

// fields returns the keys of the struct t: each exported field by its tag, or else by its name in lower case with an
// underscore between words. Those of embedded structs are its own.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, tagged := f.Tag.Lookup("config")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
		case f.IsExported() && name != "-":
			if name == "" {
				name = snake(f.Name)
			}
			all = append(all, field{name: name, index: f.Index, typ: f.Type})
		}
	}
	return all
}

// snake is name in lower case, with an underscore before each word: MaxRetries is max_retries, and MessageTTL
// message_ttl.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		begins := i > 0 && upper && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// names are the keys of all.
func names(all []field) []string {
	list := make([]string, len(all))
	for i, f := range all {
		list[i] = f.name
	}
	return list
}

// fromFile reports whether the field f of all may be set by a file: one text can make it, and its key with the
// suffix is not another field's.
func fromFile(all []field, f field) bool {
	return fromText(f.typ) && !slices.Contains(names(all), f.name+fileSuffix)
}

var (
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether a scalar makes a t.
func isScalar(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		return isScalar(t.Elem())
	}
	if t == secretType || t == timeType || reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// fromText reports whether one text can make a t: a scalar, or a list of them with ; between.
func fromText(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		return fromText(t.Elem())
	}
	return isScalar(t) || t.Kind() == reflect.Slice && isScalar(t.Elem())
}

// textPaths calls visit with the path of everything in t that one text can make. outer are the structs that t is
// in: one that is in itself has no end.
func textPaths(t reflect.Type, path string, visit func(path string), outer ...reflect.Type) {
	if fromText(t) {
		visit(path)
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || slices.Contains(outer, t) {
		return
	}
	all := fields(t)
	for _, f := range all {
		textPaths(f.typ, join(path, f.name), visit, append(slices.Clip(outer), t)...)
		if fromFile(all, f) {
			visit(join(path, f.name+fileSuffix))
		}
	}
}

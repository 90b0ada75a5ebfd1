package config

import (
	"reflect"
	"strings"

	"github.com/gowarren/warren/internal/nearest"
	"github.com/gowarren/warren/processor"
)

// decoder makes Go values of a configuration's. It goes on after a problem, so that all are told at once.
type decoder struct {
	folder string // of the file: the paths of secrets in it are relative to it
	found  *problems
}

// decode sets to, which is addressable, by v. It leaves alone what v does not set.
func (d *decoder) decode(v *value, path string, to reflect.Value) {
	if !v.set() {
		return
	}
	before := len(d.found.all)
	switch t := to.Type(); {
	case t.Kind() == reflect.Pointer:
		made := reflect.New(t.Elem())
		if d.decode(v, path, made.Elem()); len(d.found.all) == before {
			to.Set(made)
		}
		return // what it points to has been checked
	case isScalar(t):
		d.scalar(v, path, to)
	case t.Kind() == reflect.Slice:
		d.slice(v, path, to)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		d.mapping(v, path, to)
	case t.Kind() == reflect.Struct:
		d.structure(v, path, to)
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		to.Set(reflect.ValueOf(v.plain()))
	default:
		d.found.addf(v.from, path, "nothing makes a %v", t)
	}
	if len(d.found.all) == before {
		d.check(v.from, path, to)
	}
}

// check asks a value whether it can work.
func (d *decoder) check(from source, path string, to reflect.Value) {
	if c, ok := to.Addr().Interface().(processor.Checker); ok {
		if err := c.Check(); err != nil {
			d.found.addAll(from, path, err)
		}
	}
}

func (d *decoder) scalar(v *value, path string, to reflect.Value) {
	if v.kind != scalar {
		d.found.addf(v.from, path, "is %s: %s is needed", v.describe(path), wanted(to.Type()))
		return
	}
	if err := convert(v, path, to); err != nil {
		d.found.add(v.from, path, err)
	}
}

// slice sets a list. One text of the environment is a list with ; between.
func (d *decoder) slice(v *value, path string, to reflect.Value) {
	elements := v.list
	if text, ok := v.text(); ok && v.untyped && isScalar(to.Type().Elem()) {
		for part := range strings.SplitSeq(text, ";") {
			elements = append(elements, newText(v.from, strings.TrimSpace(part)))
		}
	} else if v.kind != list {
		d.found.addf(v.from, path, "is %s: a list is needed", v.describe(path))
		return
	}
	made := reflect.MakeSlice(to.Type(), len(elements), len(elements))
	for i, e := range elements {
		if !e.set() {
			d.found.addf(e.from, index(path, i), "is empty")
		}
		d.decode(e, index(path, i), made.Index(i))
	}
	to.Set(made)
}

func (d *decoder) mapping(v *value, path string, to reflect.Value) {
	if v.kind != table {
		d.found.addf(v.from, path, "is %s: a table is needed", v.describe(path))
		return
	}
	made := reflect.MakeMapWithSize(to.Type(), len(v.table))
	for _, key := range v.keys() {
		e := reflect.New(to.Type().Elem()).Elem()
		d.decode(v.table[key], join(path, key), e)
		made.SetMapIndex(reflect.ValueOf(key).Convert(to.Type().Key()), e)
	}
	to.Set(made)
}

func (d *decoder) structure(v *value, path string, to reflect.Value) {
	if v.kind != table {
		keys := strings.Join(names(fields(to.Type())), ", ")
		d.found.addf(v.from, path, "is %s: a table is needed, with %s", v.describe(path), keys)
		return
	}
	all := fields(to.Type())
	known := map[string]bool{}
	for _, f := range all {
		known[f.name] = true
		e := v.table[f.name]
		if fromFile(all, f) {
			known[f.name+fileSuffix] = true
			e = d.valueOrFile(v, path, f.name)
		}
		d.decode(e, join(path, f.name), to.FieldByIndex(f.index))
	}
	for _, key := range v.keys() {
		if !known[key] {
			d.found.addf(v.table[key].from, join(path, key), "unknown%s", nearest.Hint(key, names(all)...))
		}
	}
}

// valueOrFile returns the value of a key: its own, or what is in the file that the key with the suffix names.
// What is set by the environment comes before what is set by the file.
func (d *decoder) valueOrFile(in *value, path, name string) *value {
	own, file := in.table[name], in.table[name+fileSuffix]
	if !file.set() || own.set() && own.from.variable && !file.from.variable {
		return own
	}
	path = join(path, name)
	if own.set() && own.from.variable == file.from.variable {
		d.found.addf(file.from, path+fileSuffix, "is set, and so is %s (%v): keep one of them", path, own.from)
		return nil
	}
	text, err := d.secret(file)
	if err != nil {
		d.found.add(file.from, path+fileSuffix, err)
		return nil
	}
	from := file.from
	from.hidden = true
	return newText(from, text)
}

// into decodes v into a value that to points to.
func (d *decoder) into(v *value, path string, to any) { d.decode(v, path, reflect.ValueOf(to).Elem()) }

const aText = "a text"

// wanted says what makes a t.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == durationType:
		return "a duration such as 20s"
	case t == timeType:
		return "a time such as 2006-01-02T15:04:05Z"
	case t == secretType, reflect.PointerTo(t).Implements(textType):
		return aText
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return aText
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0"
	}
	return "a whole number"
}

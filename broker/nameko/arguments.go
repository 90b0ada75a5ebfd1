package nameko

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gowarren/warren/processor/remote"
)

// arguments returns v as the arguments of a call.
func arguments(v any) (Args, error) {
	switch v := v.(type) {
	case Args:
		return filled(v), nil
	case Arguments:
		return raw(v), nil
	case nil:
		return filled(Args{}), nil
	}
	value := reflect.Indirect(reflect.ValueOf(v))
	if _, own := v.(json.Marshaler); own || !value.IsValid() {
		return filled(Args{Args: []any{v}}), nil
	}
	switch kind := value.Kind(); {
	case kind == reflect.Struct, kind == reflect.Map && value.Type().Key().Kind() == reflect.String:
		body, err := json.Marshal(v)
		if err != nil {
			return Args{}, err
		}
		var kwargs map[string]json.RawMessage
		if err := json.Unmarshal(body, &kwargs); err != nil {
			return Args{}, fmt.Errorf("nameko: %T does not encode as keywords: %w", v, err)
		}
		return raw(Arguments{Kwargs: kwargs}), nil
	case kind == reflect.Slice && value.Type().Elem().Kind() != reflect.Uint8, kind == reflect.Array:
		args := make([]any, value.Len())
		for i := range args {
			args[i] = value.Index(i).Interface()
		}
		return filled(Args{Args: args}), nil
	}
	return filled(Args{Args: []any{v}}), nil
}

func raw(a Arguments) Args {
	all := Args{Args: make([]any, len(a.Args)), Kwargs: make(map[string]any, len(a.Kwargs))}
	for i, v := range a.Args {
		all.Args[i] = v
	}
	for name, v := range a.Kwargs {
		all.Kwargs[name] = v
	}
	return all
}

// filled has no null on the wire, where Python expects a list and a dictionary.
func filled(a Args) Args {
	if a.Args == nil {
		a.Args = []any{}
	}
	if a.Kwargs == nil {
		a.Kwargs = map[string]any{}
	}
	return a
}

// signature is the error about arguments that do not fit.
func signature(format string, args ...any) error {
	return &remote.Error{Type: TypeSignature, Message: fmt.Sprintf(format, args...)}
}

// decode puts the arguments into what v points to; see the package.
func decode(a Arguments, v any) error {
	if all, ok := v.(*Arguments); ok {
		*all = a
		return nil
	}
	target := reflect.ValueOf(v).Elem()
	_, own := v.(json.Unmarshaler)
	switch kind := target.Kind(); {
	case kind == reflect.Struct && !own:
		return decodeStruct(a, target)
	case len(a.Kwargs) > 0:
		return signature("the method takes no keywords")
	case kind == reflect.Slice && target.Type().Elem().Kind() != reflect.Uint8 && !own:
		return decodeValue("args", list(a.Args), v)
	case len(a.Args) != 1:
		return signature("the method takes 1 argument, and got %d", len(a.Args))
	}
	return decodeValue("the argument", a.Args[0], v)
}

func list(args []json.RawMessage) json.RawMessage {
	body, _ := json.Marshal(args) //nolint:errchkjson // raw JSON that was decoded
	return body
}

func decodeValue(what string, value json.RawMessage, v any) error {
	if err := json.Unmarshal(value, v); err != nil {
		return signature("%s: %v", what, err)
	}
	return nil
}

// parameter is a field of a struct that takes arguments.
type parameter struct {
	index    int
	name     string
	optional bool
}

func parameters(t reflect.Type) []parameter {
	var all []parameter
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || tag == "-" && options == "" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		set := strings.Split(options, ",")
		all = append(all, parameter{i, tag, slices.Contains(set, "omitempty") || slices.Contains(set, "omitzero")})
	}
	return all
}

// decodeStruct takes positions in the order of the fields, and keywords by their names, as Python does.
func decodeStruct(a Arguments, target reflect.Value) error {
	takes := parameters(target.Type())
	if len(a.Args) > len(takes) {
		return signature("the method takes %d arguments, and got %d", len(takes), len(a.Args))
	}
	used := 0
	for i, p := range takes {
		value, named := a.Kwargs[p.name]
		switch {
		case named && i < len(a.Args):
			return signature("got multiple values for argument %q", p.name)
		case i < len(a.Args):
			value = a.Args[i]
		case named:
			used++
		case p.optional:
			continue
		default:
			return signature("missing a required argument: %q", p.name)
		}
		if err := decodeValue(fmt.Sprintf("argument %q", p.name), value, target.Field(p.index).Addr().Interface()); err != nil {
			return err
		}
	}
	if used < len(a.Kwargs) {
		return unexpected(takes, a)
	}
	return nil
}

// unexpected names a keyword that no field takes.
func unexpected(takes []parameter, a Arguments) error {
	for name := range a.Kwargs {
		if !slices.ContainsFunc(takes, func(p parameter) bool { return p.name == name }) {
			return signature("got an unexpected keyword argument %.100q", name)
		}
	}
	return signature("got an unexpected keyword argument")
}

package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gowarren/warren/processor"
)

// arguments returns h as JSON can hold it.
func (d *definitions) arguments(owner string, h processor.Headers) map[string]any {
	object := make(map[string]any, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		v, err := fieldToJSON(name, h[name])
		if err != nil {
			d.errs = append(d.errs, fmt.Errorf("plan: %s: argument %q: %w: %w; leave it to Declare, or do without", owner, name, ErrDefinitions, err))
			continue
		}
		object[name] = v
	}
	return object
}

func fieldToJSON(name string, v any) (any, error) {
	if !utf8.ValidString(name) {
		return nil, errors.New("its name is not UTF-8")
	}
	return toJSON(v)
}

// toJSON returns what RabbitMQ reads back as a value equal to v, which is of a type that
// every broker carries.
func toJSON(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, errors.New("RabbitMQ takes no null")
	case bool, int8, uint8, int16, int32, int64:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("%q is not UTF-8", v)
		}
		return v, nil
	case float32:
		return toJSON(float64(v))
	case float64:
		if subnormal := v != 0 && math.Abs(v) < 0x1p-1022; subnormal {
			return nil, fmt.Errorf("RabbitMQ reads no %v from JSON", v) // it makes a subnormal 0
		}
		return json.Number(float(v)), nil // RabbitMQ would take 1 for an integer
	case []any:
		return listToJSON(v)
	case processor.Headers:
		return tableToJSON(v)
	}
	return nil, fmt.Errorf("RabbitMQ reads no %T from JSON", v)
}

func listToJSON(list []any) (any, error) {
	items := make([]any, len(list))
	for i, item := range list {
		v, err := toJSON(item)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return items, nil
}

func tableToJSON(h processor.Headers) (any, error) {
	object := make(map[string]any, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		v, err := fieldToJSON(name, h[name])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		object[name] = v
	}
	return object, nil
}

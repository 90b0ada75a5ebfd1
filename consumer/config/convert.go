package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// convert sets to by the scalar v. Nothing is cut, rounded or guessed: 8.5 are no workers, and 20 is no duration.
func convert(v *value, path string, to reflect.Value) error {
	if to.Type() == secretType {
		v = v.concealed()
	}
	x := v.scalar()
	text, isText := x.(string)
	mismatch := func() error {
		return fmt.Errorf("is %s: %s is needed%s", v.describe(path), wanted(to.Type()), cure(x, to))
	}
	switch {
	case to.Type() == secretType:
		if !isText {
			return mismatch()
		}
		to.Set(reflect.ValueOf(newSecret(text)))
		return nil
	case to.Type() == timeType:
		return setTime(x, to, mismatch)
	case to.Type() == durationType:
		return setDuration(x, v.untyped, to, mismatch)
	case reflect.PointerTo(to.Type()).Implements(textType):
		if !isText {
			return mismatch()
		}
		u, _ := to.Addr().Interface().(encoding.TextUnmarshaler)
		if err := u.UnmarshalText([]byte(text)); err != nil {
			if v.mayBeSecret(path) {
				return errors.New("is a text that is refused") // the error may quote it
			}
			return fmt.Errorf("is refused: %w", err)
		}
		return nil
	}
	if v.untyped {
		x = typed(text, to.Kind())
	}
	if !setPlain(x, to) {
		return mismatch()
	}
	return nil
}

// cure is what most often has to be changed.
func cure(x any, to reflect.Value) string {
	text, isText := x.(string)
	switch {
	case (to.CanInt() || to.CanUint() || to.CanFloat()) && to.Type() != durationType && leadingZero.MatchString(strings.TrimSpace(text)):
		return "; " + zeroCure
	case to.Type() == durationType && !isText:
		return ", with its unit"
	case !isText && wanted(to.Type()) == aText:
		return ": put it into quotes"
	case isText && to.Kind() != reflect.String && to.Type() != durationType && to.Type() != timeType:
		if setPlain(typed(text, to.Kind()), reflect.New(to.Type()).Elem()) {
			return ": leave out the quotes"
		}
	}
	return ""
}

// typed returns the scalar that text is for a kind, or text if it is none.
func typed(text string, kind reflect.Kind) any {
	trimmed := strings.TrimSpace(text)
	switch kind {
	case reflect.Bool:
		if b, err := strconv.ParseBool(trimmed); err == nil {
			return b
		}
	case reflect.Float32, reflect.Float64:
		if n, ok := integer(trimmed); ok {
			return n
		}
		if leadingZero.MatchString(trimmed) {
			return text
		}
		if f, err := strconv.ParseFloat(trimmed, 64); err == nil {
			return f
		}
	case reflect.String:
	default:
		if n, ok := integer(trimmed); ok {
			return n
		}
	}
	return text
}

// leadingZero are integers that are octal to some, such as YAML 1.1, and decimal to others.
var leadingZero = regexp.MustCompile(`^[+-]?0[0-9_]+$`)

const zeroCure = "a number that begins with 0 may be octal or not: write 10 or 0o10"

// integer returns the int64, or the uint64 above, that text is: decimal, or with 0x, 0o or 0b, and with _ between digits.
func integer(text string) (any, bool) {
	if leadingZero.MatchString(text) {
		return nil, false
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return n, true
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return n, err == nil
}

// setPlain sets to by x if it can hold just that.
func setPlain(x any, to reflect.Value) bool {
	switch x := x.(type) {
	case string:
		if to.Kind() != reflect.String {
			return false
		}
		to.SetString(x)
	case bool:
		if to.Kind() != reflect.Bool {
			return false
		}
		to.SetBool(x)
	case float64:
		if !to.CanFloat() || to.OverflowFloat(x) {
			return false
		}
		to.SetFloat(x)
	case int64:
		return setInt(x, to)
	case uint64:
		if !to.CanUint() || to.OverflowUint(x) {
			return false
		}
		to.SetUint(x)
	default:
		return false
	}
	return true
}

func setInt(x int64, to reflect.Value) bool {
	switch {
	case to.CanInt() && !to.OverflowInt(x):
		to.SetInt(x)
	case to.CanUint() && x >= 0 && !to.OverflowUint(uint64(x)):
		to.SetUint(uint64(x))
	case to.CanFloat() && int64(float64(x)) == x:
		to.SetFloat(float64(x))
	default:
		return false
	}
	return true
}

func setTime(x any, to reflect.Value, mismatch func() error) error {
	at, ok := x.(time.Time)
	if text, isText := x.(string); isText {
		var err error
		at, err = time.Parse(time.RFC3339, text)
		ok = err == nil
	}
	if !ok {
		return mismatch()
	}
	to.Set(reflect.ValueOf(at))
	return nil
}

func setDuration(x any, untyped bool, to reflect.Value, mismatch func() error) error {
	if n, ok := x.(int64); ok && n == 0 {
		to.SetInt(0)
		return nil
	}
	text, ok := x.(string)
	if !ok {
		return mismatch()
	}
	if untyped {
		text = strings.TrimSpace(text)
	}
	d, err := time.ParseDuration(text) // its error quotes the text
	if err != nil {
		return mismatch()
	}
	to.SetInt(int64(d))
	return nil
}

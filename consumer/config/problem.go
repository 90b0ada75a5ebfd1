package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/gowarren/warren/internal/quote"
)

// ErrMissing is the error of a setting, or of brokers, that are missing.
var ErrMissing = errors.New("is not set")

// problem is what is wrong with one value.
type problem struct {
	from source
	key  string // "": the whole file
	err  error
}

func (p *problem) Error() string {
	if p.key == "" {
		return fmt.Sprintf("config: %v: %v", p.from, p.err)
	}
	return fmt.Sprintf("config: %v: %s: %v", p.from, name(p.key), p.err)
}

// name shows a path on one line.
func name(path string) string {
	if bare := strings.NewReplacer("[", "", "]", "").Replace(path); quote.Name(bare) == bare {
		return path
	}
	return quote.Name(path)
}

func (p *problem) Unwrap() error { return p.err }

// problems are all that are wrong, in the order in which they were found.
type problems struct{ all []error }

func (p *problems) add(from source, key string, err error) {
	p.all = append(p.all, &problem{from: from, key: key, err: err})
}

func (p *problems) addf(from source, key, format string, args ...any) {
	p.add(from, key, fmt.Errorf(format, args...))
}

// addAll adds each of the errors that are joined in err.
func (p *problems) addAll(from source, key string, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || reflect.TypeOf(err) != joinType {
		p.add(from, key, err)
		return
	}
	for _, e := range joined.Unwrap() {
		p.addAll(from, key, e)
	}
}

// joinType is that of an error of errors.Join. One of fmt.Errorf can be several errors too, but has one text.
var joinType = reflect.TypeOf(errors.Join(ErrMissing))

func (p *problems) err() error { return errors.Join(p.all...) }

package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
)

// DefaultPrefix begins the names of the variables of the environment.
const DefaultPrefix = "WARREN_"

// Option changes what [Load] reads.
type Option func(*options)

type options struct {
	prefix   string
	environ  []string
	sections []section
	required []func(*settings) error
}

// section is a key of a program's own.
type section struct {
	name string
	into any
}

// Section decodes the key name into what into points to: usually a struct, or a slice of structs for a list
// of tables. An unknown key or a wrong value in it is an error, as elsewhere. A field that the configuration
// does not set keeps its value, so defaults can be set before. If it, or something in it, is a processor.Checker, it is asked whether
// it can work; a struct also if the key is not there. Default: no sections.
func Section(name string, into any) Option {
	return func(o *options) { o.sections = append(o.sections, section{name, into}) }
}

// Requires makes it an error of [Load] if the setting with that key is not there, or is no T. Default: it is
// an error of [Setting].
func Requires[T any](key string) Option {
	return func(o *options) {
		o.required = append(o.required, func(s *settings) error {
			_, err := setting[T](s, key)
			return err
		})
	}
}

// Prefix sets how the names of the variables begin. Default: [DefaultPrefix].
func Prefix(prefix string) Option { return func(o *options) { o.prefix = prefix } }

// Environ sets the environment, as os.Environ returns it, for tests. Default, also for nil: that of the process.
func Environ(environ []string) Option { return func(o *options) { o.environ = environ } }

var (
	goodPrefix = regexp.MustCompile(`^[A-Z][A-Z0-9_]*_$`)
	goodName   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
)

func (o *options) check() error {
	if o.environ == nil {
		o.environ = os.Environ()
	}
	var errs []error
	if !goodPrefix.MatchString(o.prefix) {
		errs = append(errs, fmt.Errorf("config: Prefix(%q): it needs capital letters, digits and _, and _ at its end", o.prefix))
	}
	taken := append(names(fields(reflect.TypeFor[process]())), settingsKey)
	for _, s := range o.sections {
		t := reflect.TypeOf(s.into)
		switch {
		case !goodName.MatchString(s.name):
			errs = append(errs, fmt.Errorf("config: Section(%q): the key needs small letters, digits, _ and -", s.name))
		case slices.Contains(taken, s.name):
			errs = append(errs, fmt.Errorf("config: Section(%q): the key is taken", s.name))
		case t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(s.into).IsNil():
			errs = append(errs, fmt.Errorf("config: Section(%q): it is decoded into a %v: pass a pointer", s.name, t))
		}
		taken = append(taken, s.name)
	}
	return errors.Join(errs...)
}

package config

import (
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/nearest"
	"github.com/gowarren/warren/internal/option"
)

// loading makes a Config of a table. It goes on after a problem, so that all are told at once.
type loading struct {
	options options
	root    *value
	found   *problems
	decoder *decoder
	top     []field // the keys of the file, without the settings
}

func newLoading(name string, o options, root *value, found *problems) *loading {
	root.from.line = 0
	l := &loading{options: o, root: root, found: found, decoder: &decoder{folder: filepath.Dir(name), found: found}}
	l.top = fields(reflect.TypeFor[process]())
	for _, s := range o.sections {
		l.top = append(l.top, field{name: s.name, typ: reflect.TypeOf(s.into).Elem()})
	}
	return l
}

func (l *loading) load() *Config {
	c := &Config{file: l.root.from.name, urls: func() URLs { return nil }}
	l.splitSettings()
	environment(l.root, l.options.prefix, l.options.environ, l.known(), l.found)
	l.unknown()
	l.decodeProcess(c)
	for _, s := range l.options.sections {
		l.section(s)
	}
	c.settings = &settings{
		root: l.root.table[settingsKey], from: l.root.from, prefix: l.options.prefix, folder: l.decoder.folder,
	}
	for _, require := range l.options.required {
		if err := require(c.settings); err != nil {
			l.found.all = append(l.found.all, err)
		}
	}
	return c
}

// splitSettings makes the settings tables in tables, without dots in keys.
func (l *loading) splitSettings() {
	v := l.root.table[settingsKey]
	switch {
	case !v.set():
		v = newTable(l.root.from)
	case v.kind != table:
		l.found.addf(v.from, settingsKey, "is %s: a table is needed", v.describe(settingsKey))
		v = newTable(l.root.from)
	default:
		v = splitDots(v, settingsKey, l.found)
	}
	l.root.table[settingsKey] = v
}

// known are the paths that a variable can set, without the settings.
func (l *loading) known() []string {
	var all []string
	for _, f := range l.top {
		textPaths(f.typ, f.name, func(path string) { all = append(all, path) })
		if fromFile(l.top, f) {
			all = append(all, f.name+fileSuffix)
		}
	}
	return all
}

// unknown reports the keys that have no meaning.
func (l *loading) unknown() {
	takes := map[string]bool{settingsKey: true}
	for _, f := range l.top {
		takes[f.name] = true
		if fromFile(l.top, f) {
			takes[f.name+fileSuffix] = true
		}
	}
	for _, key := range l.root.keys() {
		if !takes[key] {
			l.found.addf(l.root.table[key].from, key, "unknown%s", nearest.Hint(key, append(names(l.top), settingsKey)...))
		}
	}
}

// value is what is set for a key of the file, by itself or by the file that holds it.
func (l *loading) value(f field) *value {
	if fromFile(l.top, f) {
		return l.decoder.valueOrFile(l.root, "", f.name)
	}
	return l.root.table[f.name]
}

// from is where a key of the file is set.
func (l *loading) from(name string) source {
	for _, key := range []string{name, name + fileSuffix} {
		if v := l.root.table[key]; v.set() {
			return v.from
		}
	}
	return l.root.from
}

// decodeProcess decodes the keys of every process.
func (l *loading) decodeProcess(c *Config) {
	p := &c.process
	to, before := reflect.ValueOf(p).Elem(), len(l.found.all)
	for _, f := range l.top[:to.NumField()] {
		v := l.value(f)
		if f.name == "brokers" && v.set() && v.untyped { // failover splits it, and not at each ;
			text, _ := v.text()
			p.Brokers = []Secret{newSecret(text)}
			continue
		}
		l.decoder.decode(v, f.name, to.FieldByIndex(f.index))
	}
	l.limits(p)
	if len(l.found.all) > before && p.Brokers == nil {
		return // it is not known whether they are missing
	}
	l.brokers(c)
}

// limits checks what a consumer would refuse later, without telling where it is from.
func (l *loading) limits(p *process) {
	workers := consumer.DefaultWorkers
	if p.Workers != nil {
		workers = *p.Workers
	}
	if workers < 1 {
		l.found.addf(l.from("workers"), "workers", "is %d: at least 1 is needed", workers)
	}
	if p.Prefetch != nil && *p.Prefetch != 0 && *p.Prefetch < workers {
		l.found.addf(l.from("prefetch"), "prefetch", "is %d: it must not be below workers, %d", *p.Prefetch, workers)
	}
	if p.DrainTimeout != nil {
		if err := option.NotNegative("drain_timeout", *p.DrainTimeout); err != nil {
			l.found.add(l.from("drain_timeout"), "", err)
		}
	}
}

func (l *loading) brokers(c *Config) {
	if len(c.process.Brokers) == 0 {
		l.found.add(l.from("brokers"), "brokers", fmt.Errorf("%w: list the URLs of the nodes, or set %sBROKERS to them with ; between",
			ErrMissing, l.options.prefix))
		return
	}
	urls, err := c.process.brokers()
	if err != nil {
		l.found.addAll(l.from("brokers"), "brokers", err)
		return
	}
	c.urls = func() URLs { return urls }
}

// section decodes a key of the program's own.
func (l *loading) section(s section) {
	to := reflect.ValueOf(s.into).Elem()
	v := l.value(field{name: s.name, typ: to.Type()})
	if v.set() || to.Kind() != reflect.Struct {
		l.decoder.decode(v, s.name, to)
		return
	}
	l.decoder.check(l.root.from, s.name, to)
}

package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer/config"
)

// Line 1 are the brokers.
func TestEveryMistakeIsTold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"worker: 10":                           "worker.yaml:2: worker: unknown, do you mean workers?",
		"loggin: {}":                           "worker.yaml:2: loggin: unknown: it can be brokers, drain_timeout, log, password, prefetch, settings, workers",
		"log: {levl: info}":                    "worker.yaml:2: log.levl: unknown, do you mean level?",
		"log:\n  level: inof":                  "worker.yaml:3: log.level: is refused: inof is no level, do you mean info?",
		"log: {format: xml}":                   "worker.yaml:2: log.format: is refused: xml is no format: it can be json, text",
		"log: info":                            `worker.yaml:2: log: is the text "info": a table is needed, with level, format`,
		"workers: many":                        `worker.yaml:2: workers: is the text "many": a whole number is needed`,
		"workers: '8'":                         `worker.yaml:2: workers: is the text "8": a whole number is needed: leave out the quotes`,
		"workers: 8.5":                         "worker.yaml:2: workers: is the number 8.5: a whole number is needed",
		"workers: 99999999999999999999":        "worker.yaml:2: workers: is the number 1e+20: a whole number is needed",
		"workers: 010":                         "worker.yaml:2: a number that begins with 0 may be octal or not: write 10 or 0o10, and put a text into quotes",
		"workers: '010'":                       `worker.yaml:2: workers: is the text "010": a whole number is needed; a number that begins with 0 may be octal or not: write 10 or 0o10`,
		"workers: 1__0":                        "worker.yaml:2: a number has _ where no digits are around it",
		"workers: true":                        "worker.yaml:2: workers: is true: a whole number is needed",
		"workers: [8]":                         "worker.yaml:2: workers: is a list: a whole number is needed",
		"workers: 0":                           "worker.yaml:2: workers: is 0: at least 1 is needed",
		"workers: 2\nworkers: 3":               "worker.yaml:3: workers: is there twice, and first in line 2",
		"workers: 10\nprefetch: 4":             "worker.yaml:3: prefetch: is 4: it must not be below workers, 10",
		"prefetch: -1":                         "worker.yaml:2: prefetch: is -1: it must not be below workers, 1",
		"drain_timeout: 20":                    "worker.yaml:2: drain_timeout: is the number 20: a duration such as 20s is needed, with its unit",
		"drain_timeout: -1s":                   "worker.yaml:2: drain_timeout is -1s: it must be 0 or more",
		"settings: 5":                          "worker.yaml:2: settings: is the number 5: a table is needed",
		"settings: {a: 5, a.b: 6}":             "worker.yaml:2: settings.a.b: is below settings.a (worker.yaml:2), which is the number 5",
		"settings: {a: {b: 5}, a.b: 6}":        "worker.yaml:2: settings.a.b: is there twice, and first in worker.yaml:2",
		"settings: {a.: 5}":                    "worker.yaml:2: settings.a: a key is empty, before, between or after dots",
		"settings: {a__b: 5}":                  "worker.yaml:2: settings.a__b: two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it",
		"settings: {a: {b--c: 5}}":             "worker.yaml:2: settings.a.b--c: two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it",
		"settings: {a-_b.c: 5}":                "worker.yaml:2: settings.a-_b: two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it",
		"settings: {a_: {b: 5}}":               "worker.yaml:2: settings.a_: two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it",
		"settings: {a_.b: 5}":                  "worker.yaml:2: settings.a_: two _ or - in a row, or one at the end of a table's name, separate keys in the name of a variable: rename it",
		"settings: {smtpHost: 5, smtphost: 6}": "worker.yaml:2: settings.smtphost: is, for the environment, the same as smtpHost (worker.yaml:2): rename one",
		"password: x":                          "worker.yaml:1: brokers: each URL has a password of its own, and there is the key password: remove one or the other",
		"password_file: /nowhere":              "worker.yaml:2: password_file: stat /nowhere: no such file or directory",
		"password_file: /dev/null":             "worker.yaml:2: password_file: read /dev/null: is no regular file",
		"workers: 1\n---\nworkers: 2":          "worker.yaml: there is a second document after a line of ---: write one only",
		"workers: [":                           "worker.yaml: is no YAML: line 2: did not find expected node content",
		"1: x":                                 "worker.yaml:2: 1: unknown: it can be brokers, drain_timeout, log, password, prefetch, settings, workers",
		"? [a]\n: x":                           "worker.yaml:2: a key is no text",
		"settings: &a [*a]":                    "worker.yaml:2: an alias is inside of what it names",
		"settings: {a: &b [5], c: {<<: *b}}":   `worker.yaml:2: "<<": is no table to merge`,
		"settings: {a: &b 5, c: {<<: *b}}":     `worker.yaml:2: "<<": is no table to merge`,
		"settings: {a: *hunter2}":              "worker.yaml: an alias without an anchor: put a text that begins with * into quotes",
		"settings: {a: !!int hunter2}":         "worker.yaml:2: a value is not what its tag !!int says",
	} {
		_, err := parse(text)
		require.Error(t, err, text)
		require.Equal(t, []string{want}, lines(err), text)
	}
}

// YAML 1.1 reads 010 as 8, and the environment had it as 10.
func TestNumbersAreTheSameInTheFileAndInTheEnvironment(t *testing.T) {
	t.Parallel()
	type numbers struct {
		Int   int
		Float float64
		Big   uint64
	}
	for text, want := range map[string]float64{
		"10": 10, "+5": 5, "0": 0, "0x10": 16, "0X1f": 31, "0o17": 15, "0b11": 3, "1_000": 1000, "0x_10": 16,
		"010": -1, "+010": -1, "08": -1, "00": -1, "0_1": -1, "1__0": -1, "1_": -1, "0x": -1,
	} {
		for _, key := range []string{"int", "float", "big"} {
			var file, variable numbers
			_, inFile := parse("n: {"+key+": "+text+"}", config.Section("n", &file))
			_, inEnvironment := parse("", config.Section("n", &variable),
				config.Environ([]string{"WARREN_N__" + strings.ToUpper(key) + "=" + text}))
			if want < 0 {
				require.Error(t, inFile, text)
				require.Error(t, inEnvironment, text)
				continue
			}
			require.NoError(t, inFile, text)
			require.NoError(t, inEnvironment, text)
			require.Equal(t, file, variable, text)
			require.InDelta(t, want, float64(file.Int)+file.Float+float64(file.Big), 0, text)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	var read struct{ Every time.Duration }
	_, err := config.Parse("worker.toml", []byte("worker = 10\nprefetch = \"x\"\nbrokers = [\"http://a\"]\n[log]\nlevel = 5\n[read]\nevery = 1\n"),
		config.Section("read", &read), config.Requires[bool]("imports.on"),
		config.Environ([]string{"WARREN_WORKERS=x", "WARREN_LOG_LEVEL=info", "WARREN_SETTINGS__IMPORTS__NO=1"}))
	require.Equal(t, []string{
		"WARREN_LOG_LEVEL: unknown, do you mean WARREN_LOG__LEVEL?",
		"worker.toml:1: worker: unknown, do you mean workers?",
		`WARREN_WORKERS: workers: is the text "x": a whole number is needed`,
		`worker.toml:2: prefetch: is the text "x": a whole number is needed`,
		"worker.toml:5: log.level: is the number 5: a text is needed: put it into quotes",
		"worker.toml:3: brokers: failover: wrong URL: number 1: the scheme must be amqp:// or amqps://",
		"worker.toml:7: read.every: is the number 1: a duration such as 20s is needed, with its unit",
		"worker.toml: settings.imports.on: is not set: write it there, or set WARREN_SETTINGS__IMPORTS__ON, do you mean imports.no?",
	}, lines(err))
}

func TestMistakesOfTheEnvironment(t *testing.T) {
	t.Parallel()
	var read []struct{ Directory string }
	for variable, want := range map[string]string{
		"WARREN_WORKER=1":                   "WARREN_WORKER: unknown, do you mean WARREN_WORKERS?",
		"WARREN_LOG=debug":                  "",
		"WARREN_READ__DIRECTORY=x":          "WARREN_READ__DIRECTORY: unknown: read is a list, which is set in the file",
		"WARREN_SETTINGS__A=1":              "WARREN_SETTINGS__A: settings.a: is a table in worker.yaml:3: a variable sets a value of it, as WARREN_SETTINGS__A__... does",
		"WARREN_SETTINGS__A__B__C=1":        "WARREN_SETTINGS__A__B__C: settings.a.b: is the number 5 in worker.yaml:3: nothing can be below it",
		"WARREN_WORKERS=010":                `WARREN_WORKERS: workers: is the text "010": a whole number is needed; a number that begins with 0 may be octal or not: write 10 or 0o10`,
		"WARREN_PASSWORD_FILE=/nowhere":     "WARREN_PASSWORD_FILE: password_file: stat /nowhere: no such file or directory",
		"WARREN_DRAIN_TIMEOUT=20":           `WARREN_DRAIN_TIMEOUT: drain_timeout: is the text "20": a duration such as 20s is needed`,
		"WARREN_BROKERS=amqp://a/;http://b": "WARREN_BROKERS: brokers: failover: wrong URL: number 2: the scheme must be amqp:// or amqps://",
	} {
		_, err := config.Parse("worker.yaml", []byte(brokers+"read: [{directory: /in}]\nsettings: {a: {b: 5}}"),
			config.Section("read", &read), config.Environ([]string{variable}))
		require.Error(t, err, variable)
		if want != "" {
			require.Equal(t, []string{want}, lines(err), variable)
		}
	}
}

func TestMistakesOfASetting(t *testing.T) {
	t.Parallel()
	cfg, err := parse("settings:\n  imports:\n    timeout: 5s\n    tries: 5\n    token: abc\n    both: x\n    both_file: /y\n")
	require.NoError(t, err)
	ctx := cfg.Context(t.Context())

	_, err = config.Setting[time.Duration](ctx, "imports.timeuot")
	require.ErrorIs(t, err, config.ErrMissing)
	require.Equal(t, []string{"worker.yaml: settings.imports.timeuot: is not set: write it there, or set WARREN_SETTINGS__IMPORTS__TIMEUOT, do you mean imports.timeout?"}, lines(err))
	_, err = config.Setting[int](ctx, "imports.timeout.x")
	require.ErrorIs(t, err, config.ErrMissing)

	_, err = config.Setting[time.Duration](ctx, "imports.tries")
	require.NotErrorIs(t, err, config.ErrMissing)
	require.Equal(t, []string{"worker.yaml:5: settings.imports.tries: is the number 5: a duration such as 20s is needed, with its unit"}, lines(err))
	_, err = config.Setting[int](ctx, "imports.token")
	require.Equal(t, []string{"worker.yaml:6: settings.imports.token: is a text: a whole number is needed"}, lines(err))
	_, err = config.Setting[string](ctx, "imports.both")
	require.Equal(t, []string{"worker.yaml:8: settings.imports.both_file: is set, and so is settings.imports.both (worker.yaml:7): keep one of them"}, lines(err))
	path, err := config.Setting[string](ctx, "imports.both_file")
	require.NoError(t, err)
	require.Equal(t, "/y", path)
	_, err = config.Setting[struct{ Timeout, Tires string }](ctx, "imports")
	require.ErrorContains(t, err, "worker.yaml:5: settings.imports.tries: unknown, do you mean tires?")

	_, err = config.Setting[int](t.Context(), "imports.tries")
	require.ErrorContains(t, err, "the context has no settings")

	tries, err := config.SettingOr(ctx, "imports.retries", 7)
	require.NoError(t, err)
	require.Equal(t, 7, tries)
	_, err = config.SettingOr(ctx, "imports.timeout", 7)
	require.Error(t, err, "it is set to something else")
}

func TestMistakesOfTheProgram(t *testing.T) {
	t.Parallel()
	var s string
	for _, o := range []config.Option{
		config.Prefix("warren"), config.Prefix(""), config.Section("workers", &s), config.Section("settings", &s), config.Section("A", &s),
		config.Section("read", s), config.Section("read", nil), config.Section("read", (*string)(nil)), nil,
	} {
		_, err := parse("", o)
		require.Error(t, err)
	}
	_, err := parse("x: 1", config.Section("x", new(chan int)))
	require.ErrorContains(t, err, "nothing makes a chan int")
}

func TestAFileThatIsNone(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "worker.yaml"), none)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = config.Load(write(t, "worker.json", "{}"), none)
	require.ErrorContains(t, err, "the name must end with .yaml, .yml or .toml")
	_, err = config.Load(write(t, "worker.yaml", strings.Repeat("#\n", 1<<20)), none)
	require.ErrorContains(t, err, "is larger than")
	_, err = config.Load(t.TempDir(), none)
	require.Error(t, err)
	_, err = config.Parse("worker.yaml", []byte("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"+
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]"), none)
	require.ErrorContains(t, err, "there are more than 100000 values")
}

// entry is a section's element, which checks itself.
type entry struct {
	Directory string
	Keys      []string
	Retries   *int
	Every     time.Duration
	Since     time.Time
	Share     float64
	Labels    map[string]string
	Rest      any
	Password  config.Secret
}

var errDirectory = errors.New("directory is missing")

func (e *entry) Check() error {
	if e.Directory == "" {
		return errDirectory
	}
	return nil
}

func TestASection(t *testing.T) {
	t.Parallel()
	text := `
read:
  - directory: /in
    keys: [a.b, c]
    retries: 0
    every: 0
    since: 2026-01-02T03:04:05Z
    share: 1
    labels: {a.b: x, on: y}
    rest: {a: [1, x]}
    password: s3cret
  - &base {directory: /b, share: .5}
  - {<<: *base, share: 2}
`
	read := []entry{{Every: time.Hour}}
	_, err := parse(text, config.Section("read", &read))
	require.NoError(t, err)
	require.Len(t, read, 3)
	require.Equal(t, "s3cret", read[0].Password.Reveal())
	read[0].Password = config.Secret{}
	zero := 0
	require.Equal(t, entry{
		Directory: "/in", Keys: []string{"a.b", "c"}, Retries: &zero, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Share: 1,
		Labels: map[string]string{"a.b": "x", "on": "y"}, Rest: map[string]any{"a": []any{int64(1), "x"}},
	}, read[0])
	require.Equal(t, entry{Directory: "/b", Share: 2}, read[2])

	_, err = parse("\nread:\n  - every: 1s\n  - directry: /in\n  -\n", config.Section("read", &read))
	require.ErrorIs(t, err, errDirectory)
	require.Equal(t, []string{
		"worker.yaml:4: read[0]: directory is missing",
		"worker.yaml:5: read[1].directry: unknown, do you mean directory?",
		"worker.yaml:6: read[2]: is empty",
	}, lines(err))

	one := entry{Every: time.Hour}
	_, err = parse("", config.Section("read", &one))
	require.Equal(t, []string{"worker.yaml: read: directory is missing"}, lines(err), "also if it is not there")
	_, err = parse("read: {directory: /a}", config.Section("read", &one), config.Environ([]string{"WARREN_READ__KEYS=a;b"}))
	require.NoError(t, err)
	require.Equal(t, entry{Directory: "/a", Keys: []string{"a", "b"}, Every: time.Hour}, one, "what is not set stays")
}

func TestTheLinesOfTOML(t *testing.T) {
	t.Parallel()
	type inner struct{ A int }
	var read []struct {
		Directory string
		Inner     inner
		Each      []inner
		Tables    []inner
	}
	_, err := config.Parse("worker.toml", []byte(`brokers = ["amqp://localhost/"]
[[read]]
directory = 1
inner.b = 1
[[read]]
directory = "x"
each = [
  {a = 1},
  {b = 1},
]
[read.inner]
a = "x"
[[read.tables]]
[[read.tables]]
"c" = 1
[log]
level = [
  "info",
]
[settings.a]
b.c = 1
[settings."a.b"]
c = 2
`), none, config.Section("read", &read))
	require.Error(t, err)
	require.Equal(t, []string{
		"worker.toml:23: settings.a.b.c: is there twice, and first in worker.toml:21",
		"worker.toml:17: log.level: is a list: a text is needed",
		"worker.toml:3: read[0].directory: is the number 1: a text is needed: put it into quotes",
		"worker.toml:4: read[0].inner.b: unknown: it can be a",
		`worker.toml:12: read[1].inner.a: is the text "x": a whole number is needed`,
		"worker.toml:7: read[1].each[1].b: unknown: it can be a",
		"worker.toml:15: read[1].tables[1].c: unknown: it can be a",
	}, lines(err))
}

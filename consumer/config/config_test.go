package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// none is an environment without variables.
var none = config.Environ([]string{})

const brokers = "brokers: [amqp://app:hunter2@rabbit-1/]\n"

// parse is a YAML file with brokers and text.
func parse(text string, opts ...config.Option) (*config.Config, error) {
	return config.Parse("worker.yaml", []byte(brokers+text), append([]config.Option{none}, opts...)...)
}

// write writes a file into a folder of the test's.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// lines are what an error tells, without the prefix.
func lines(err error) []string {
	var all []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		all = append(all, strings.TrimPrefix(line, "config: "))
	}
	return all
}

const yaml = `
brokers:
  - amqp://app@rabbit-1/mail
  - amqp://app:own@rabbit-2/mail
password: s3cret;/@
workers: 10
prefetch: 40
drain_timeout: 30s
log:
  level: debug
  format: json
settings:
  imports.timeout: 5s
  smtp:
    host: mail.example.org
    ports: [25, 587]
`

const toml = `
brokers = ["amqp://app@rabbit-1/mail", "amqp://app:own@rabbit-2/mail"]
password = "s3cret;/@"
workers = 10
prefetch = 40
drain_timeout = "30s"

[log]
level = "debug"
format = "json"

[settings]
imports.timeout = "5s"
smtp.host = "mail.example.org"
smtp.ports = [25, 587]
`

func TestAFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"worker.yaml": yaml, "worker.yml": yaml, "worker.toml": toml} {
		cfg, err := config.Load(write(t, name, text), none)
		require.NoError(t, err)
		require.Equal(t, []string{"amqp://app:s3cret%3B%2F%40@rabbit-1/mail", "amqp://app:own@rabbit-2/mail"}, []string(cfg.Brokers()))
		require.Len(t, cfg.Consumer(), 3)
		require.Equal(t, 30*time.Second, cfg.DrainTimeout())

		ctx := cfg.Context(t.Context())
		timeout, err := config.Setting[time.Duration](ctx, "imports.timeout")
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, timeout)
		smtp, err := config.Setting[struct {
			Host  string
			Ports []uint16
		}](ctx, "smtp")
		require.NoError(t, err)
		require.Equal(t, "mail.example.org", smtp.Host)
		require.Equal(t, []uint16{25, 587}, smtp.Ports)

		var out bytes.Buffer
		cfg.Logger(&out).Debug("hello")
		require.Contains(t, out.String(), `"msg":"hello"`)
	}
}

func TestWhatIsNotSetIsLeftToThePackageThatUsesIt(t *testing.T) {
	t.Parallel()
	cfg, err := parse("")
	require.NoError(t, err)
	require.Empty(t, cfg.Consumer())
	require.Equal(t, consumer.DefaultDrainTimeout, cfg.DrainTimeout())
	var out bytes.Buffer
	log := cfg.Logger(&out)
	log.Debug("debug")
	require.Empty(t, out.String())
	log.Info("hello")
	require.Contains(t, out.String(), "msg=hello")
}

func TestTheFileOfTheDocumentation(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	_, text, found := strings.Cut(f.Doc.Text(), "# A file\n")
	require.True(t, found)
	text, _, found = strings.Cut(text, "Only brokers is needed")
	require.True(t, found)
	text = strings.ReplaceAll(text, "\n\t", "\n")
	require.Contains(t, text, "\nbrokers:")

	text = strings.ReplaceAll(text, "/run/secrets/rabbitmq", write(t, "rabbitmq", "s3cret\n"))
	text = strings.ReplaceAll(text, "/run/secrets/smtp", write(t, "smtp", "hunter2\n"))
	cfg, err := config.Parse("worker.yaml", []byte(text), none, config.Requires[time.Duration]("imports.timeout"))
	require.NoError(t, err)
	require.Equal(t, "amqp://app:s3cret@rabbit-2/", cfg.Brokers()[1])
	password, err := config.Setting[string](cfg.Context(t.Context()), "smtp.password")
	require.NoError(t, err)
	require.Equal(t, "hunter2", password)
}

func TestTheMistakesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text := "\n\n\n\nworkers: 10\n\nlogs: {}\nprefetch: 4\ndrain_timeout: 20\n"
	_, err := config.Parse("worker.yaml", []byte(text), config.Environ([]string{"WARREN_LOG_LEVEL=debug", "WARREN_BROKERS=amqp://a"}))
	require.Error(t, err)
	doc, err2 := os.ReadFile("doc.go")
	require.NoError(t, err2)
	require.Contains(t, string(doc), "//	"+strings.ReplaceAll(err.Error(), "\n", "\n//	")+"\n//\n")
}

func TestTheEnvironmentComesBeforeTheFile(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("worker.yaml", []byte(yaml), config.Environ([]string{
		"WARREN_BROKERS=amqp://app@a/;amqp://b@b/;c@c/v", "WARREN_PASSWORD=x y", "WARREN_DRAIN_TIMEOUT=1m",
		"WARREN_LOG__LEVEL=warn", "WARREN_LOG__FORMAT=text", "WARREN_WORKERS=", "PATH=/bin",
		"WARREN_SETTINGS__IMPORTS__TIMEOUT=7s", "WARREN_SETTINGS__SMTP__PORTS=1; 2", "WARREN_SETTINGS__NEW=true",
		"WARREN_PORT=tcp://10.0.0.1:80", "WARREN_SERVICE_HOST=10.0.0.1", "WARREN_PORT_80_TCP_ADDR=10.0.0.1", // Kubernetes
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"amqp://app:x%20y@a/", "amqp://b:x%20y@b/", "amqp://c:x%20y@c/v"}, []string(cfg.Brokers()))
	require.Equal(t, time.Minute, cfg.DrainTimeout())
	require.Len(t, cfg.Consumer(), 3, "workers are the file's")
	require.False(t, cfg.Logger(new(bytes.Buffer)).Enabled(t.Context(), slog.LevelInfo))

	ctx := cfg.Context(t.Context())
	timeout, err := config.Setting[time.Duration](ctx, "imports.timeout")
	require.NoError(t, err)
	require.Equal(t, 7*time.Second, timeout)
	ports, err := config.Setting[[]int](ctx, "smtp.ports")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, ports)
	on, err := config.Setting[bool](ctx, "new")
	require.NoError(t, err)
	require.True(t, on)
}

func TestTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load("", config.Prefix("MAIL_"), config.Environ([]string{"MAIL_BROKERS=amqp://localhost/", "WARREN_X=1"}))
	require.NoError(t, err)
	require.Equal(t, []string{"amqp://localhost/"}, []string(cfg.Brokers()))
	_, err = config.Load("", none)
	require.ErrorIs(t, err, config.ErrMissing)
	require.Equal(t, []string{"environment: brokers: is not set: list the URLs of the nodes, or set WARREN_BROKERS to them with ; between"}, lines(err))
}

func TestTheEnvironmentOfTheProcessIsTheDefault(t *testing.T) {
	t.Setenv("WARRENTEST_BROKERS", "amqp://localhost/")
	_, err := config.Load("", config.Prefix("WARRENTEST_"))
	require.NoError(t, err)
}

// The settings of the seed are flat keys with dots; other files have tables.
func TestASettingIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"settings: {your.settings.key: x}", "settings: {your: {settings: {key: x}}}", "settings: {your.settings: {key: x}, your.other: y}",
		"settings: {your: {settings.key: x}}",
	} {
		cfg, err := parse(text)
		require.NoError(t, err)
		v, err := config.Setting[string](cfg.Context(t.Context()), "your.settings.key")
		require.NoError(t, err)
		require.Equal(t, "x", v)
	}
}

func TestKeysWithUnderscoresAtTheirEndsAreReached(t *testing.T) {
	t.Parallel()
	var section struct {
		Odd int `config:"odd__name"`
	}
	cfg, err := parse("settings: {_a: {_b: old}, c_: old}\n", config.Section("a__b", &section), config.Environ([]string{
		"WARREN_SETTINGS___A___B=new", "WARREN_SETTINGS__C_=new", "WARREN_A__B__ODD__NAME=5",
	}))
	require.NoError(t, err)
	require.Equal(t, 5, section.Odd)
	for _, key := range []string{"_a._b", "c_"} {
		s, err := config.Setting[string](cfg.Context(t.Context()), key)
		require.NoError(t, err)
		require.Equal(t, "new", s, key)
	}
}

func TestAHandlerReadsSettings(t *testing.T) {
	t.Parallel()
	cfg, err := parse("settings: {imports.timeout: 5s}")
	require.NoError(t, err)
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))

	var read time.Duration
	c, err := consumer.New(b.Source("mail"), processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
		var err error
		read, err = config.Setting[time.Duration](ctx, "imports.timeout")
		return errors.Join(err, msg.Ack(), processor.ErrStop)
	}), cfg.Consumer()...)
	require.NoError(t, err)
	require.NoError(t, c.Run(cfg.Context(t.Context())))
	require.Equal(t, 5*time.Second, read)
}

func TestSettingsAreReadConcurrently(t *testing.T) {
	t.Parallel()
	cfg, err := parse("settings: {imports: {timeout: 5s, password_file: " + write(t, "secret", "s3cret") + "}}")
	require.NoError(t, err)
	ctx := cfg.Context(t.Context())
	type imports struct {
		Timeout  time.Duration
		Password config.Secret
	}
	var readers sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		readers.Go(func() {
			timeout, err := config.Setting[time.Duration](ctx, "imports.timeout")
			nothing, none := config.SettingOr(ctx, "imports.nothing", 5*time.Second)
			all, wrong := config.Setting[imports](ctx, "imports")
			if errs[i] = errors.Join(err, none, wrong); timeout != nothing || timeout != all.Timeout || all.Password.Reveal() != "s3cret" {
				errs[i] = errors.Join(errs[i], errors.New("a setting is another"))
			}
		})
	}
	readers.Wait()
	require.NoError(t, errors.Join(errs...))
}

// A setting costs a handler next to nothing.
// The time for twice the settings is twice the time, not four times: a variable's name was made of each key for each key.
func TestTheTimeToLoadGrowsWithTheSettings(t *testing.T) { //nolint:paralleltest // it counts allocations
	text, environ := &strings.Builder{}, []string{}
	for i := range 1000 {
		fmt.Fprintf(text, "  a-key-%d: 1\n", i)
		environ = append(environ, fmt.Sprintf("WARREN_SETTINGS__A_KEY_%d=2", i), fmt.Sprintf("WARREN_SETTINGS__NEW_%d=2", i))
	}
	var cfg *config.Config
	var err error
	allocs := testing.AllocsPerRun(1, func() {
		cfg, err = parse("settings:\n"+text.String(), config.Environ(environ))
	})
	require.NoError(t, err)
	require.Less(t, allocs, 2e5, "200 for each of the settings")
	for _, key := range []string{"a-key-0", "a-key-999", "new_999"} {
		n, err := config.Setting[int](cfg.Context(t.Context()), key)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
}

func TestASettingIsDecodedOnce(t *testing.T) {
	cfg, err := parse("settings: {imports.timeout: 5s}")
	require.NoError(t, err)
	ctx := cfg.Context(t.Context())
	_, err = config.Setting[time.Duration](ctx, "imports.timeout")
	require.NoError(t, err)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = config.Setting[time.Duration](ctx, "imports.timeout") }), 1.0)
}

// Editors on Windows write them.
func TestTablesAreMerged(t *testing.T) {
	t.Parallel()
	const bases = "settings:\n  one: &one {timeout: 5s, name: z}\n  two: &two {retries: 7, timeout: 6s}\n  both: &both [*one, {retries: 7}]\n"
	for _, merge := range []string{"*both", "[*one, *two]", "[{timeout: 5s}, *two]", "[*both]"} {
		cfg, err := parse(bases + "  job: {<<: " + merge + ", name: x}\n")
		require.NoError(t, err, merge)
		job, err := config.Setting[map[string]any](cfg.Context(t.Context()), "job")
		require.NoError(t, err, merge)
		require.Equal(t, map[string]any{"timeout": "5s", "retries": int64(7), "name": "x"}, job, merge)
	}
}

func TestMarksAndLineEndsOfWindows(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"worker.yaml": yaml, "worker.toml": toml} {
		cfg, err := config.Parse(name, []byte("\ufeff"+strings.ReplaceAll(text, "\n", "\r\n")), none)
		require.NoError(t, err, name)
		require.Len(t, cfg.Consumer(), 3)
	}
}

// tree is a struct that is in itself.
type tree struct {
	Name     string
	Left     *tree
	Branches []tree
}

func TestASectionThatIsInItself(t *testing.T) {
	t.Parallel()
	var root tree
	_, err := parse("tree: {left: {left: {name: x}}, branches: [{name: y}]}", config.Section("tree", &root),
		config.Environ([]string{"WARREN_TREE__NAME=z"}))
	require.NoError(t, err)
	require.Equal(t, tree{Name: "z", Left: &tree{Left: &tree{Name: "x"}}, Branches: []tree{{Name: "y"}}}, root)
}

func TestNoKeyBreaksALine(t *testing.T) {
	t.Parallel()
	_, err := parse("\"a\\nb\": 1\nsettings: {\"a\\nb\": 1, \"a\\nB\": 2, \"c\\nd\": 1, \"c\\nd.e\": 2}",
		config.Environ([]string{"WARREN_A\nB=1"}))
	require.Error(t, err)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		require.True(t, strings.HasPrefix(line, "config: "), line)
	}
}

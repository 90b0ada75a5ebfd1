package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer/config"
)

// printed is everything that x may be printed as.
func printed(t *testing.T, x any) string {
	t.Helper()
	var out bytes.Buffer
	type within struct {
		Exported   any
		unexported any
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%U"} {
		fmt.Fprintf(&out, verb+"\n", x)
		fmt.Fprintf(&out, verb+"\n", within{x, x})
		fmt.Fprintf(&out, verb+"\n", []any{x, &x})
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		log.Info("x", "x", x, "within", within{x, x}, "list", []any{x})
	}
	text, err := json.Marshal([]any{x, within{x, x}})
	require.NoError(t, err)
	out.Write(text)
	return out.String()
}

const secretWord = "hunter2"

// requireSecret finds the word also where its bytes are printed in hex or as numbers.
func requireSecret(t *testing.T, text string) {
	t.Helper()
	bytes := strings.Trim(fmt.Sprintf("%d", []byte(secretWord)), "[]")
	for _, form := range []string{secretWord, fmt.Sprintf("%x", secretWord), fmt.Sprintf("%X", secretWord), bytes} {
		require.NotContains(t, text, form)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	var smtp struct {
		User     string
		Password config.Secret
	}
	text := `
brokers: ["amqp://app:hunter2@rabbit-1/", "amqp://app@rabbit-2/"]
password: hunter2
smtp: {user: app, password: hunter2}
settings: {token: hunter2, inner: {password: hunter2, list: [hunter2]}, odd: hunter2}
`
	cfg, err := config.Parse("worker.yaml", []byte(text), config.Section("smtp", &smtp), config.Environ([]string{"WARREN_SETTINGS__KEY=hunter2"}))
	require.NoError(t, err)
	require.Equal(t, "hunter2", smtp.Password.Reveal())
	require.Equal(t, "amqp://app:hunter2@rabbit-2/", cfg.Brokers()[1])
	for _, x := range []any{cfg, *cfg, smtp, &smtp, smtp.Password, &smtp.Password, cfg.Context(t.Context())} {
		requireSecret(t, printed(t, x))
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "urls", cfg.Brokers(), "in", []any{cfg.Brokers()})
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d", cfg.Brokers(), cfg.Brokers(), cfg.Brokers(), cfg.Brokers(), cfg.Brokers(), cfg.Brokers(), cfg.Brokers())
	text2, err := json.Marshal(cfg.Brokers())
	require.NoError(t, err)
	requireSecret(t, out.String()+string(text2))
	require.Equal(t, "worker.yaml: brokers [amqp://rabbit-1:5672/%2F amqp://rabbit-2:5672/%2F], "+
		"settings [inner.list inner.password key odd token]", cfg.String())
}

// Each of these is a mistake beside a secret, or in it.
func TestNoErrorShowsASecret(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secret"), []byte("hunter2\n"), 0o600))
	for name, texts := range map[string][]string{
		"worker.yaml": {
			"password: *hunter2", "password: &hunter2", "password: !hunter2 x", "password: [hunter2", "password: {hunter2", "password: 'hunter2",
			`password: "hunter2`, `password: "\hunter2"`, "password: @hunter2", "password: %hunter2", "password: `hunter2", "password: hunter2: x",
			"password: - hunter2", "password: |hunter2", "password: >hunter2", "password:\thunter2", "password:hunter2", "password: !!int hunter2",
			"password: !!binary hunter2", "password: [hunter2]", "password: {x: hunter2}", "%hunter2", "- hunter2", "hunter2",
			"brokers: amqp://app:hunter2@a/", "brokers: [amqp://app:hunter2]", "brokers: ['amqp://app:hunter2@a:x/']", "brokers: ['http://app:hunter2@a/']",
			"brokers: ['amqp://app:pw/hunter2@a/']", "brokers: ['amqp://a/?password=hunter2']", "brokers: ['amqp://a/']\npassword: hunter2",
			"brokers: ['amqp://app:hunter2@a/']\npassword: hunter2", "brokers: ['amqp://app;hunter2@a/']\npassword: hunter2",
			"workers: app:hunter2@x", "number: hunter2", "secret_number: hunter2", "smtp: {password: [hunter2]}", "smtp: {level: app:hunter2@x}",
			"workers_file: secret", "smtp: {number_file: secret}", "smtp: {level_file: secret}", "smtp: {every_file: secret}",
			"settings: {number_file: secret}", "settings: {password: hunter2}", "settings: {password_file: secret, password: hunter2}",
			"log: {level_file: secret}", "log: {format_file: secret}", "brokers_file: secret", "prefetch_file: secret", "drain_timeout_file: secret",
		},
		"worker.toml": {
			"password = hunter2", "password = 'hunter2", `password = "hunter2`, `password = "\hunter2"`, "password = [hunter2]", "password = ['hunter2'",
			"password = 'a' hunter2", "password : hunter2", "password = {a = hunter2}", "password = 1hunter2", "password = 2020-hunter2",
			"password = ['hunter2']", "brokers = 'amqp://app:hunter2@a/'", "brokers = ['amqp://app:hunter2']", "[hunter2",
			"password = \"\"\"hunter2", "password = 'hunter2'\npassword = 'hunter2'",
		},
	} {
		for _, text := range texts {
			if !strings.Contains(text, "brokers") {
				text += map[string]string{"worker.yaml": "\nbrokers: [amqp://app@a]", "worker.toml": "\nbrokers = ['amqp://app@a']"}[name]
			}
			var smtp struct {
				Password config.Secret
				Number   int
				Level    slog.Level
				Every    time.Duration
			}
			_, err := config.Parse(filepath.Join(folder, name), []byte(text), none, config.Section("smtp", &smtp),
				config.Requires[int]("number"), config.Requires[int]("password"))
			require.Error(t, err, text)
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if strings.Contains(line, `number: is the text "hunter2"`) {
					continue // its key says nothing of a secret
				}
				requireSecret(t, line)
			}
			require.ErrorContains(t, err, name, "the file is named")
		}
	}
	for _, entry := range []string{
		"WARREN_BROKERS=amqp://app:hunter2@a:x/", "WARREN_PASSWORD=hunter2", "WARREN_PASSWORDS=hunter2", "WARREN_SETTINGS__PASSWORD=hunter2",
		"WARREN_SETTINGS__PASSWORD__X=hunter2", "WARREN_WORKERS=amqp://app:hunter2@a",
	} {
		_, err := config.Parse("worker.yaml", []byte("brokers: ['amqp://a']\nsettings: {password: hunter2}"), config.Environ([]string{entry}),
			config.Requires[int]("password"))
		require.Error(t, err)
		requireSecret(t, err.Error())
	}
}

func TestASecretFromAFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	file("password", "s3cret\n")
	file("windows", "s3cret\r\n")
	file("lines", "one\ntwo\n\n")
	file("number", "25\n")
	file("urls", "amqp://app@rabbit-1/;amqp://app@rabbit-2/\n")
	file("empty", "\n")
	file("large", strings.Repeat("x", 1<<17))
	require.NoError(t, os.Symlink("password", filepath.Join(folder, "link"))) // as Kubernetes mounts them
	text := `
brokers_file: urls
password_file: link
settings: {password_file: windows, lines_file: lines, port_file: number, own: x, template_file: missing, empty_file: empty, large_file: large,
  folder_file: ., number_file: 5}
`
	cfg, err := config.Parse(filepath.Join(folder, "worker.yaml"), []byte(text),
		config.Environ([]string{"WARREN_SETTINGS__OWN_FILE=" + file("own", "env")}))
	require.NoError(t, err)
	require.Equal(t, []string{"amqp://app:s3cret@rabbit-1/", "amqp://app:s3cret@rabbit-2/"}, []string(cfg.Brokers()))
	ctx := cfg.Context(t.Context())
	for key, want := range map[string]string{"password": "s3cret", "lines": "one\ntwo\n", "own": "env", "template_file": "missing"} {
		v, err := config.Setting[string](ctx, key)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	port, err := config.Setting[int](ctx, "port")
	require.NoError(t, err)
	require.Equal(t, 25, port)
	for key, want := range map[string]string{
		"template": "no such file", "empty": "is empty", "large": "is larger than", "folder": "is no regular file", "number": "the path of a file",
	} {
		_, err = config.Setting[string](ctx, key)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, config.ErrMissing)
	}

	file("password", "changed")
	_, err = config.Setting[config.Secret](ctx, "password")
	require.NoError(t, err)
	v, err := config.Setting[string](ctx, "password")
	require.NoError(t, err)
	require.Equal(t, "s3cret", v, "a file is read once for each type that is asked for")
}

// A number where a text is needed is the usual mistake with a password.
func TestNoErrorShowsANumberThatIsASecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"mail: {smtp: 471199}", "mail: {smtp: 4711.99}", "mail: {passwords: {imap: 471199}}", "mail: {smtp: [471199]}",
	} {
		var mail struct {
			SMTP      config.Secret
			Passwords struct{ IMAP string }
		}
		_, err := config.Parse("worker.yaml", []byte("brokers: ['amqp://a']\n"+text), none, config.Section("mail", &mail))
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "4711", text)
	}
	c, err := config.Parse("worker.yaml", []byte("brokers: ['amqp://a']\nsettings: {pin: 471199, passwords: {imap: hunter2}}"), none)
	require.NoError(t, err)
	ctx := c.Context(t.Context())
	_, err = config.Setting[config.Secret](ctx, "pin")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "4711")
	_, err = config.Setting[int](ctx, "passwords.imap")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

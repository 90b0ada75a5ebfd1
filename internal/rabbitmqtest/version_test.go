//go:build unix

package rabbitmqtest_test

import (
	"os"
	"path/filepath"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestTheVersionIsTheOneThatTheNodeGreetsWith(t *testing.T) {
	t.Parallel()
	conn, err := amqp.Dial(rabbitmqtest.Shared(t).URL())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, conn.Properties["version"], rabbitmqtest.Version(t).String())
}

// Each layout that RABBITMQ_HOME may have, by the paths of its script and its broker.
func TestTheVersionIsFoundInEachLayout(t *testing.T) {
	t.Parallel()
	for name, layout := range map[string][2]string{
		"archive":  {"sbin", "plugins/rabbit-3.13.7"},
		"escript":  {"sbin", "plugins/rabbit-3.7.28.ez"},
		"Debian":   {"bin", "lib/rabbitmq_server-4.2.0/plugins/rabbit-4.2.0-rc.1"},
		"unpacked": {"home/sbin", "root/usr/lib/rabbitmq/lib/rabbitmq_server-4.3.6/plugins/rabbit-4.3.6"},
	} {
		home := t.TempDir()
		scripts := filepath.Join(home, layout[0])
		require.NoError(t, os.MkdirAll(scripts, 0o700))
		require.NoError(t, os.MkdirAll(filepath.Join(home, layout[1]), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(scripts, "rabbitmq-server"), nil, 0o700))
		release, err := rabbitmqtest.ReleaseOf(scripts)
		require.NoError(t, err, name)
		require.Contains(t, layout[1]+".ez", "rabbit-"+release.String()+".ez", name)
	}
	_, err := rabbitmqtest.ReleaseOf(t.TempDir())
	require.Error(t, err)
}

func TestTheNewestOfThoseThatAreThereIsTaken(t *testing.T) {
	t.Parallel()
	var candidates []string
	for _, release := range []string{"3.13.7", "4.3.6", "4.0.5"} {
		home := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(home, "plugins/rabbit-"+release), 0o700))
		require.NoError(t, os.Mkdir(filepath.Join(home, "sbin"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, "sbin/rabbitmq-server"), nil, 0o700))
		candidates = append(candidates, filepath.Join(home, "sbin"))
	}
	scripts, err := rabbitmqtest.Newest(append(candidates, t.TempDir()))
	require.NoError(t, err)
	require.Equal(t, candidates[1], scripts)
	_, err = rabbitmqtest.Newest(nil)
	require.ErrorContains(t, err, "RABBITMQ_HOME")
}

func TestVersionsAreOrdered(t *testing.T) {
	t.Parallel()
	r := rabbitmqtest.Release{Major: 4, Minor: 0}
	require.True(t, r.AtLeast(3, 13))
	require.True(t, r.AtLeast(4, 0))
	require.False(t, r.AtLeast(4, 1))
	require.False(t, r.AtLeast(5, 0))
}

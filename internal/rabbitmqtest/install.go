//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	// debianScripts holds the scripts themselves. Those in /usr/sbin are wrappers that
	// change to the user rabbitmq.
	debianScripts = "/usr/lib/rabbitmq/bin"

	// unpacked is where scripts/unpack-rabbitmq puts the scripts, in the user's cache.
	unpacked = "warren/rabbitmq-*/home/sbin"

	// besideUnpacked is where, from those scripts, it puts the programs that they start.
	besideUnpacked = "../../root/usr/lib"
)

var errNotInstalled = errors.New("RabbitMQ is not installed: run scripts/ensure-rabbitmq (make test does), " +
	"install Debian's rabbitmq-server, or set RABBITMQ_HOME to a directory with sbin/rabbitmq-server")

// installation is where the programs are.
type installation struct {
	release Release
	server  string // rabbitmq-server
	ctl     string // rabbitmqctl
	epmd    string
	erlCall string
}

func findInstallation() (installation, error) {
	scripts, err := findScripts()
	if err != nil {
		return installation{}, err
	}
	release, err := releaseOf(scripts)
	if err != nil {
		return installation{}, err
	}
	epmd, err := findErlang(scripts, "epmd")
	if err != nil {
		return installation{}, err
	}
	erlCall, err := findErlang(scripts, "erl_call")
	if err != nil {
		return installation{}, err
	}
	return installation{
		release: release,
		server:  filepath.Join(scripts, "rabbitmq-server"),
		ctl:     filepath.Join(scripts, "rabbitmqctl"),
		epmd:    epmd,
		erlCall: erlCall,
	}, nil
}

// findScripts returns the directory that rabbitmq-server is in: that of RABBITMQ_HOME, or
// else of the newest RabbitMQ that is unpacked or installed.
func findScripts() (string, error) {
	if home := os.Getenv("RABBITMQ_HOME"); home != "" {
		for _, dir := range []string{filepath.Join(home, "sbin"), filepath.Join(home, "bin")} {
			if _, err := os.Stat(filepath.Join(dir, "rabbitmq-server")); err == nil {
				return dir, nil
			}
		}
		return "", fmt.Errorf("%w (RABBITMQ_HOME is %q)", errNotInstalled, home)
	}
	candidates := []string{debianScripts}
	if cache, err := os.UserCacheDir(); err == nil {
		found, _ := filepath.Glob(filepath.Join(cache, unpacked))
		candidates = append(candidates, found...)
	}
	return newest(candidates)
}

func newest(candidates []string) (string, error) {
	var scripts string
	var release Release
	for _, dir := range candidates {
		if r, err := releaseOf(dir); err == nil && (scripts == "" || !release.AtLeast(r.Major, r.Minor)) {
			scripts, release = dir, r
		}
	}
	if scripts == "" {
		return "", errNotInstalled
	}
	return scripts, nil
}

// findErlang looks for one of Erlang's programs where RabbitMQ was unpacked with it, on the
// PATH, and beside erl itself: not every package links all of them.
func findErlang(scripts, program string) (string, error) {
	found, _ := filepath.Glob(filepath.Join(scripts, besideUnpacked, "erlang/erts-*/bin", program))
	if len(found) > 0 {
		return found[0], nil
	}
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	if erl, err := exec.LookPath("erl"); err == nil {
		if erl, err = filepath.EvalSymlinks(erl); err == nil {
			path := filepath.Join(filepath.Dir(erl), program)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not on the PATH: install all of Erlang, which RabbitMQ needs and which has it", program)
}

//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// debianScripts holds the scripts themselves. Those in /usr/sbin are wrappers that
// change to the user rabbitmq.
const debianScripts = "/usr/lib/rabbitmq/bin"

var errNotInstalled = errors.New("RabbitMQ is not installed: " +
	"install Debian's rabbitmq-server (make test does), or set RABBITMQ_HOME to a directory with sbin/rabbitmq-server")

// installation is where the programs are.
type installation struct {
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
	epmd, err := findErlang("epmd")
	if err != nil {
		return installation{}, err
	}
	erlCall, err := findErlang("erl_call")
	if err != nil {
		return installation{}, err
	}
	return installation{
		server:  filepath.Join(scripts, "rabbitmq-server"),
		ctl:     filepath.Join(scripts, "rabbitmqctl"),
		epmd:    epmd,
		erlCall: erlCall,
	}, nil
}

// findScripts returns the directory that rabbitmq-server is in.
func findScripts() (string, error) {
	candidates := []string{debianScripts}
	home := os.Getenv("RABBITMQ_HOME")
	if home != "" {
		candidates = []string{filepath.Join(home, "sbin"), filepath.Join(home, "bin")}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "rabbitmq-server")); err == nil {
			return dir, nil
		}
	}
	if home != "" {
		return "", fmt.Errorf("%w (RABBITMQ_HOME is %q)", errNotInstalled, home)
	}
	return "", errNotInstalled
}

// findErlang looks for one of Erlang's programs on the PATH, then beside erl itself:
// not every package links all of them.
func findErlang(program string) (string, error) {
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

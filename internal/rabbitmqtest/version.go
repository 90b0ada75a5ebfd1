//go:build unix

package rabbitmqtest

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// Release is a version of RabbitMQ.
type Release struct {
	Major, Minor int

	text string
}

// String returns it in full, such as 4.3.6.
func (r Release) String() string { return r.text }

// AtLeast reports whether it is major.minor or newer.
func (r Release) AtLeast(major, minor int) bool {
	return r.Major > major || r.Major == major && r.Minor >= minor
}

// PausesMinority reports whether a node without a majority pauses: it does where Mnesia
// holds the definitions; in new clusters from 4.2 on Khepri does.
func (r Release) PausesMinority() bool { return !r.AtLeast(4, 2) }

// Version returns the version of the RabbitMQ that the nodes run. It starts none.
func Version(tb TB) Release {
	tb.Helper()
	scripts, err := findScripts()
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	r, err := releaseOf(scripts)
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	return r
}

// applications are the places of the broker itself, from its scripts: a directory,
// or an archive, with the version in its name.
var applications = []string{
	"../lib/rabbitmq_server-*/plugins/rabbit-*",                         // Debian's package
	besideUnpacked + "/rabbitmq/lib/rabbitmq_server-*/plugins/rabbit-*", // the same, unpacked
	"../plugins/rabbit-*", // a generic Unix archive, Homebrew
}

var applicationVersion = regexp.MustCompile(`/rabbit-(\d+\.\d+\..+?)(\.ez)?$`)

// releaseOf returns the version of the RabbitMQ with its scripts in a directory.
func releaseOf(scripts string) (Release, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(scripts, "rabbitmq-server"))
	if err != nil {
		return Release{}, err
	}
	for _, dir := range []string{scripts, filepath.Dir(server)} {
		for _, pattern := range applications {
			found, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, path := range found {
				if m := applicationVersion.FindStringSubmatch(path); m != nil {
					r := Release{text: m[1]}
					_, err := fmt.Sscanf(r.text, "%d.%d.", &r.Major, &r.Minor)
					return r, err
				}
			}
		}
	}
	return Release{}, fmt.Errorf("no version: there is no plugins/rabbit-X.Y.Z near %s", scripts)
}

// Gotest runs go test with its arguments and prints what go test prints: the closing line of
// each package, and all that a failed test has said. Beside that it counts. The counts are a
// line in the file that WARREN_TEST_RESULTS names: packages, tests that passed, tests that
// failed, seconds.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	begun := time.Now()
	r := &report{out: os.Stdout}
	err := run(r, os.Args[1:])
	if file := os.Getenv("WARREN_TEST_RESULTS"); file != "" {
		line := fmt.Sprintf("%d %d %d %.0f\n", r.packages, r.passed, r.failed, time.Since(begun).Seconds())
		err = errors.Join(err, appendTo(file, line))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(r *report, args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...) //nolint:gosec,noctx // it is go test, for as long as that takes
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(r.read(events), cmd.Wait())
}

func appendTo(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the caller says where
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

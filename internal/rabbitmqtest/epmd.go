//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// epmd is Erlang's port mapper, through which the command line tools find a node. By
// default a node starts one for the whole machine, as a daemon that stays behind.
type epmd struct {
	*process
	port int
}

func startEPMD(ctx context.Context, program string) (*epmd, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-port", strconv.Itoa(port), "-address", "127.0.0.1") //nolint:noctx // it outlives ctx, which bounds its start
	p, err := startProcess(cmd)
	if err != nil {
		return nil, fmt.Errorf("start epmd: %w", err)
	}
	e := &epmd{process: p, port: port}
	if err := poll(ctx, p, func() bool { return accepts(ctx, port) }); err != nil {
		_ = p.end(syscall.SIGKILL, killLimit)
		return nil, fmt.Errorf("start epmd: %w", err)
	}
	return e, nil
}

func accepts(ctx context.Context, port int) bool {
	conn, err := dial(ctx, port)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

package databasetest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a database server that all tests share, on a socket in a directory of its own. The first test that
// needs it starts it.
type server struct {
	name    string
	prepare func(*server) error // makes the data directory
	command func(*server) *exec.Cmd
	dsn     func(s *server, database string) string
	driver  string
	admin   string // a database that is there
	end     syscall.Signal
	// private runs the server as another user, with programs that this user can read.
	private bool

	once    sync.Once
	dir     string
	root    string // where its programs are
	user    *syscall.Credential
	ended   chan struct{}
	process *os.Process
	err     error
}

// programs is the directory that has the databases' programs.
func programs() (string, error) {
	dir := os.Getenv("WARREN_DATABASES")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "warren", "databases", "root")
	}
	if _, err := os.Stat(filepath.Join(dir, "usr")); err != nil {
		return "", fmt.Errorf("there are no databases in %s: run scripts/unpack-databases: %w", dir, err)
	}
	return dir, nil
}

func (s *server) start() {
	s.once.Do(func() { s.err = errors.Join(s.boot()) })
}

func (s *server) boot() error {
	var err error
	if s.root, err = programs(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "warren-"+s.name+"-"); err != nil {
		return err
	}
	if s.private && os.Geteuid() == 0 {
		if err := s.drop(); err != nil {
			return err
		}
	}
	if err := s.prepare(s); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := s.command(s)
	cmd.Stdout, cmd.Stderr = log, log
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		defer close(s.ended)
		// The kernel kills the child when the thread ends that has started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		s.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return s.await()
}

// drop has the server run as nobody: PostgreSQL refuses to run as root. Nobody cannot read root's cache, so
// the programs are copied.
func (s *server) drop() error {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := errors.Join(os.Chown(s.dir, int(uid), int(gid)), os.Chmod(s.dir, 0o755)); err != nil || s.root == "/" {
		return err
	}
	programs := filepath.Join(s.dir, "root")
	if err := exec.CommandContext(context.Background(), "cp", "-a", s.root, programs).Run(); err != nil {
		return fmt.Errorf("copy the programs: %w", err)
	}
	s.root = programs
	return nil
}

// run returns a command that ends with this process.
func (s *server) run(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.root, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TZ=GMT", "LC_ALL=C", "HOME="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: s.end, Credential: s.user}
	return cmd
}

// await returns when the server answers.
func (s *server) await() error {
	db, err := sql.Open(s.driver, s.dsn(s, s.admin))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("%s has ended: %s", s.name, log)
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and removes what it has written.
func (s *server) stop() {
	if s.process != nil {
		_ = s.process.Signal(s.end)
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-s.process.Pid, syscall.SIGKILL)
			<-s.ended
		}
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// newDatabase makes a database of its own for a test, and returns how to reach it.
func (s *server) newDatabase(tb testing.TB) (dsn string) {
	tb.Helper()
	s.start()
	require.NoError(tb, s.err)
	db, err := sql.Open(s.driver, s.dsn(s, s.admin))
	require.NoError(tb, err)
	defer func() { require.NoError(tb, db.Close()) }()
	name := fmt.Sprintf("t%d", databases.Add(1))
	_, err = db.ExecContext(tb.Context(), "CREATE DATABASE "+name)
	require.NoError(tb, err)
	return s.dsn(s, name)
}

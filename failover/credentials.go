package failover

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/gowarren/warren/internal/callback"
)

// Credentials asks f for user and password each time a node is dialled, in place of those
// in its URL: for tokens that expire, and secrets that are renewed. f must return when ctx
// ends, with the connect timeout; the dialer waits no longer.
//
// Its error or panic is that node's error, and the next node is tried; keep secrets out of
// it, since it is logged. The credentials are never logged. f may be called by several
// connections at once. Default: the URLs' own.
func Credentials(f func(ctx context.Context, node Endpoint) (user, password string, err error)) Option {
	return func(c *config) {
		if f == nil {
			c.wrong = append(c.wrong, errors.New("failover: the function given to Credentials is nil"))
		}
		c.provider = f
	}
}

// login returns e with the credentials for this attempt, and their version.
func (d *dialer) login(ctx context.Context, e Endpoint) (Endpoint, int, error) {
	password, version := d.secrets.of(e)
	if d.provider == nil {
		e.password = password
		return e, version, nil
	}
	answers := make(chan answer, 1)
	go func() { answers <- d.askProvider(ctx, e) }()
	select {
	case a := <-answers:
		e.user, e.password = a.user, a.password
		return e, version, a.err
	case <-ctx.Done():
		return e, 0, fmt.Errorf("the function given to Credentials: %w", ended(ctx))
	}
}

// answer is what the user's function returned.
type answer struct {
	user     string
	password secret
	err      error
}

// askProvider returns an answer also if the function panics or calls Goexit.
func (d *dialer) askProvider(ctx context.Context, e Endpoint) (a answer) {
	problem := callback.Apart("it", func() {
		user, password, err := d.provider(ctx, e)
		a = answer{user, newSecret(password), err}
	})
	if problem != nil {
		a.err = discreet(problem)
	}
	if a.err != nil {
		a.err = fmt.Errorf("the function given to Credentials: %w", a.err)
	}
	return a
}

// discreet hides the value of a panic, which may be a secret.
func discreet(problem error) error {
	var p *callback.PanicError
	if !errors.As(problem, &p) {
		return problem
	}
	if known, ok := p.Value.(runtime.Error); ok {
		return fmt.Errorf("it panicked: %w", known)
	}
	return fmt.Errorf("it panicked with a %T", p.Value)
}

// secrets are the passwords that [Connection.UpdateSecret] was given, by user.
type secrets struct {
	mu        sync.Mutex
	version   int
	passwords map[string]secret
}

func newSecrets() *secrets { return &secrets{passwords: map[string]secret{}} }

// of returns the password for e, and the version of all of them.
func (s *secrets) of(e Endpoint) (secret, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if password, ok := s.passwords[e.user]; ok {
		return password, s.version
	}
	return e.password, s.version
}

// set stores a password. It returns the new version, and a function that undoes it.
func (s *secrets) set(user string, password secret) (version int, undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, had := s.passwords[user]
	s.version++
	s.passwords[user] = password
	version = s.version
	return version, func() { s.restore(user, version, before, had) }
}

// restore puts back the password from before, unless there is a newer one.
func (s *secrets) restore(user string, version int, before secret, had bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.version != version:
	case had:
		s.passwords[user] = before
	default:
		delete(s.passwords, user)
	}
}

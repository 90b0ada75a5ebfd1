package failover_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/failover/internal/amqpfake"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// tokenKey signs the tokens of OAuth 2 that the node accepts.
const tokenKey = "a key of thirty-two bytes or more"

// token returns a token with which a user may do everything for as long as life.
func token(t *testing.T, life time.Duration) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{
		"sub": "worker", "aud": "rabbitmq", "exp": time.Now().Add(life).Unix(),
		"scope": []string{"rabbitmq.configure:*/*", "rabbitmq.write:*/*", "rabbitmq.read:*/*"},
	})
	require.NoError(t, err)
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT","kid":"test"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(tokenKey))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Plugins("rabbitmq_auth_backend_oauth2"), rabbitmqtest.Config(
		"auth_backends.1 = rabbit_auth_backend_oauth2", "auth_backends.2 = internal", "auth_oauth2.resource_server_id = rabbitmq"))
	node.Ctl(t, "add_uaa_key", "test", fmt.Sprintf(`--json={"kty":"oct","alg":"HS256","k":"%s","kid":"test"}`,
		base64.RawURLEncoding.EncodeToString([]byte(tokenKey))))

	const life = 3 * time.Second
	expires := time.Now().Add(life)
	c := dial(t, []string{node.URLFor("worker", token(t, life), "/")})
	first := session(t, c)
	require.NoError(t, c.UpdateSecret(limit(t, patience), token(t, time.Hour), "it expires"))
	select {
	case <-first.Done():
		require.Fail(t, "the new token was not taken", "%v", first.Err())
	case <-time.After(time.Until(expires) + time.Second):
	}
	require.NoError(t, ensure.Do(limit(t, patience), c, declare(t.Name())), "the old token is worth nothing by now")

	node.CloseConnections(t, "maintenance")
	requireDone(t, first)
	second := session(t, c) // with the new token: the one in the URL has expired

	err := c.UpdateSecret(limit(t, patience), secret, "a mistake")
	var reply *amqp.Error
	require.ErrorAs(t, err, &reply)
	require.Equal(t, amqp.NotAllowed, reply.Code)
	require.NotContains(t, err.Error(), secret)
	requireDone(t, second)
	requireWorks(t, session(t, c)) // with the token before
}

// The node's own users have no secret that could be updated: it accepts anything.
func TestANodesOwnUserNeedsTheRightPasswordAtTheNextDial(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := fmt.Sprintf("renewed-%d", time.Now().UnixNano())
	node.AddUser(t, user, "old", "/")
	c := dial(t, []string{node.URLFor(user, "old", "/")}, failover.Backoff(time.Millisecond, time.Millisecond))
	s := session(t, c)
	node.SetPassword(t, user, "new")
	require.NoError(t, c.UpdateSecret(limit(t, patience), "new", "it was changed"))
	require.NoError(t, s.Err())
	s.Abort(nil)
	requireWorks(t, session(t, c))
}

func TestUpdateSecretWhileThereIsNoSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		updates := 0
		f.Set(func() {
			f.Answer = func(_ *amqpfake.Conn, m amqpfake.Method) bool {
				if m == amqpfake.ConnectionUpdateSecret {
					updates++
				}
				return false
			}
		})
		c := dialFake(t, f, "amqp://a")
		f.Set(func() { f.Down["a:5672"] = true })
		f.Latest().Close()
		synctest.Wait()

		require.ErrorIs(t, c.UpdateSecret(limit(t, time.Minute), "new", "why"), context.DeadlineExceeded)
		updated := make(chan error)
		go func() { updated <- c.UpdateSecret(t.Context(), "newer", "why") }()
		synctest.Wait()
		f.Set(func() { delete(f.Down, "a:5672") })
		require.NoError(t, <-updated)
		session(t, c)
		require.Zero(t, updates, "the session was opened with it")
		require.NoError(t, c.UpdateSecret(t.Context(), "newest", "why"))
		require.Equal(t, 1, updates)

		closeNow(t, c)
		require.ErrorIs(t, c.UpdateSecret(t.Context(), "newest", "why"), failover.ErrClosed)
	})
}

func TestUpdateSecretOnANodeThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a", failover.AnswerTimeout(5*time.Second))
		f.Set(func() {
			f.Answer = func(_ *amqpfake.Conn, m amqpfake.Method) bool { return m == amqpfake.ConnectionUpdateSecret }
		})
		s := session(t, c)

		require.ErrorIs(t, c.UpdateSecret(limit(t, time.Second), "new", "why"), context.DeadlineExceeded)
		start := time.Now()
		require.NoError(t, c.UpdateSecret(t.Context(), "newer", "why"), "the next session is opened with it")
		require.Equal(t, 4*time.Second, time.Since(start).Truncate(time.Second))
		require.ErrorIs(t, s.Err(), failover.ErrNoAnswer)
		require.ErrorContains(t, s.Err(), "updating the secret")
		closeNow(t, c)
	})
}

func TestCredentialsAreAskedForAtEachDial(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := fmt.Sprintf("vault-%d", time.Now().UnixNano())
	node.AddUser(t, user, "1", "/")
	var asked []string
	password := "1"
	c := dial(t, []string{node.URLFor("nobody", "nothing", "/")}, failover.Backoff(time.Millisecond, time.Millisecond),
		failover.Credentials(func(_ context.Context, e failover.Endpoint) (string, string, error) {
			asked = append(asked, e.Address())
			return user, password, nil
		}))
	s := session(t, c)
	require.Equal(t, user, s.User())
	password = "2" // not asked for before the session ends
	node.SetPassword(t, user, "2")
	require.NoError(t, c.UpdateSecret(limit(t, patience), "of no use", "the function counts"))
	s.Abort(nil)
	requireWorks(t, session(t, c))
	require.Equal(t, []string{s.Node(), s.Node()}, asked)
}

func TestCredentialsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	sealed := errors.New("the vault is sealed")
	rows := []struct {
		name string
		ask  func(context.Context) (string, string, error)
		is   error
		text string
	}{
		{"error", func(context.Context) (string, string, error) { return "u", secret, sealed }, sealed, "the function given to Credentials: the vault is sealed"},
		{"timeout", func(ctx context.Context) (string, string, error) {
			<-ctx.Done()
			return "u", secret, ctx.Err()
		}, failover.ErrNoAnswer, "the function given to Credentials"},
		{"deaf", func(context.Context) (string, string, error) {
			time.Sleep(24 * time.Hour)
			return "u", secret, nil
		}, failover.ErrNoAnswer, "the function given to Credentials"},
		{"panic", func(context.Context) (string, string, error) { panic(secret) }, nil, "panicked with a string"},
		{"panic of the runtime's", func(context.Context) (string, string, error) {
			var nobody *failover.Connection
			return secret, secret, nobody.Ready()
		}, nil, "nil pointer dereference"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var f amqpfake.Network
				var log lockedBuffer
				_, err := failover.Dial(limit(t, time.Minute), []string{"amqp://a;b"}, failover.NetDialer(f.Dial), logTo(&log),
					failover.Credentials(func(ctx context.Context, _ failover.Endpoint) (string, string, error) { return row.ask(ctx) }))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, failover.ErrAuth)
				if row.is != nil {
					require.ErrorIs(t, err, row.is)
				}
				require.ErrorContains(t, err, row.text)
				require.NotContains(t, err.Error()+log.String(), secret)
				require.Empty(t, f.Addresses(), "nobody was dialled without credentials")
				time.Sleep(48 * time.Hour) // the deaf one returns
			})
		})
	}
}

func TestCredentialsOfOneNodeOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f amqpfake.Network
		c := dialFake(t, &f, "amqp://a;b", failover.Credentials(func(_ context.Context, e failover.Endpoint) (string, string, error) {
			if e.Number() == 1 {
				return "", "", errors.New("not in the vault")
			}
			return "u", secret, nil
		}))
		require.Equal(t, "b:5672", session(t, c).Node())
		require.ErrorContains(t, c.State().Unreachable[0], "node a:5672: the function given to Credentials: not in the vault")
		closeNow(t, c)
	})
}

// The next session is that of another user, with another password.
func TestUpdateSecretIsOfOneUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://x:1@a;y:2@b")
		asked := make(chan string, 2)
		f.Set(func() {
			f.Answer = func(conn *amqpfake.Conn, m amqpfake.Method) bool {
				if m == amqpfake.ConnectionUpdateSecret {
					asked <- conn.Address
				}
				return m == amqpfake.ConnectionUpdateSecret
			}
		})
		require.NoError(t, c.UpdateSecret(t.Context(), "new", "why"))
		require.Equal(t, "y", session(t, c).User())
		require.Equal(t, "a:5672", <-asked)
		require.Empty(t, asked)
		closeNow(t, c)
	})
}

package failover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// Whatever is in a password, and wherever it comes from: no error, log record, state or
// endpoint shows it, nor its percent-encoded form.
func FuzzAPasswordStaysSecret(f *testing.F) {
	for _, password := range []string{"", "p", "@:/?#%;", "pass word\n", "%zz", "\xff\xfe", "пароль", `"\\`, "{{.}}", "%!s(MISSING)", strings.Repeat("x", 300)} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, middle string) {
		// What is printed of it, if anything is, has one of its ends.
		password := secret + middle + secret
		var told strings.Builder
		for _, escaped := range []string{url.QueryEscape(password), url.PathEscape(password), everyByte(password)} {
			urls := []string{"amqp://u:" + escaped + "@a;u:" + escaped + "@b/v"}
			tellAll(t, &told, urls, nil)
		}
		tellAll(t, &told, []string{"amqp://a;b"}, func(context.Context, failover.Endpoint) (string, string, error) {
			return "u", password, nil
		})
		require.Contains(t, told.String(), "credentials or vhost refused", "there was something to tell")
		for _, end := range []string{secret, everyByte(secret)} {
			require.NotContains(t, strings.ToLower(told.String()), strings.ToLower(end))
		}
	})
}

// everyByte is s with every byte percent-encoded.
func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// tellAll runs connections through all kinds of trouble, and records everything that
// can be seen of them.
func tellAll(t *testing.T, told *strings.Builder, urls []string, credentials func(context.Context, failover.Endpoint) (string, string, error)) {
	t.Helper()
	tell := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(told, "%v %+v %#v %q\n", v, v, v, v)
			text, err := json.Marshal(v)
			fmt.Fprintln(told, string(text), err)
		}
	}
	endpoints, err := failover.ParseURLs(urls)
	tell(endpoints, err)

	var log lockedBuffer
	networks := []*amqpfake.Network{
		{Down: map[string]bool{"a:5672": true, "b:5672": true}},
		{Refuse: map[string]bool{"a:5672": true, "b:5672": true}},
		{Refuse: map[string]bool{"a:5672": true}},
	}
	for _, network := range networks {
		opts := []failover.Option{
			failover.NetDialer(network.Dial), failover.MaxRounds(1), failover.Backoff(time.Millisecond, time.Millisecond),
			failover.Logger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		}
		if credentials != nil {
			opts = append(opts, failover.Credentials(credentials))
		}
		c, err := failover.Dial(limit(t, patience), urls, opts...)
		tell(err)
		if err != nil {
			continue
		}
		network.Set(func() {
			network.Answer = func(conn *amqpfake.Conn, m amqpfake.Method) bool {
				if m == amqpfake.ConnectionUpdateSecret {
					conn.HangUp(530, "NOT_ALLOWED - New secret was refused by one of the backends")
				}
				return m == amqpfake.ConnectionUpdateSecret
			}
		})
		s := session(t, c)
		_, password, _ := failover.Details(endpoints[0])
		tell(c.State(), c.Ready(), c.UpdateSecret(limit(t, patience), password, "why"), s.Err())
		tell(ensure.Do(limit(t, patience), c, nothing), c.State(), c.Ready(), c.Close(limit(t, patience)))
		_, err = c.Session(limit(t, patience))
		tell(err)
		fmt.Fprintf(told, "%v %+v %#v %v %+v %#v\n", c, c, c, s, s, s)
	}
	told.WriteString(log.String())
}

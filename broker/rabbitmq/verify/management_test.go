package verify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestVerifyRefusesWrongManagementURLsAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	for name, url := range map[string]string{
		"no scheme":          "guest:" + secret + "@localhost:15672",
		"AMQP":               "amqp://guest:" + secret + "@localhost:5672",
		"no host":            "http://guest:" + secret + "@",
		"a port alone":       "http://guest:" + secret + "@:15672",
		"a slash":            "http://guest:" + secret + "/more@localhost:15672",
		"digits and a slash": "http://guest:12/" + secret + "@localhost:15672",
		"a question mark":    "http://guest:12?" + secret + "@localhost:15672",
		"a hash":             "http://guest:12#" + secret + "@localhost:15672",
		"a percent":          "http://guest:%" + secret + "@localhost:15672",
		"a query":            "http://guest:" + secret + "@localhost:15672/?x=y",
		"a bad port":         "http://guest:" + secret + "@localhost:port",
		"a control":          "http://guest:" + secret + "\n@localhost:15672",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verify.Topology(within(t), b, broker.Topology{}, verify.Management("http://good.example.com", url))
			require.ErrorContains(t, err, "management URL number 2: it must be like")
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestVerifyOptionsAndTopologiesThatAreWrong(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	for says, opt := range map[string]verify.Option{
		"Management has no URL": verify.Management(),
		"InPlace is -1":         verify.InPlace(-1),
		"option 1 is nil":       nil,
	} {
		_, err := verify.Topology(within(t), b, broker.Topology{}, opt)
		require.ErrorContains(t, err, says)
	}
	_, err := verify.Topology(within(t), b, queues(broker.Queue{}))
	require.ErrorIs(t, err, broker.ErrTopology)
}

// serve answers what f does; the overview is that of the shared node's cluster.
func serve(t *testing.T, answers map[string]string) string {
	t.Helper()
	conn, err := amqp.Dial(rabbitmqtest.Shared(t).URL())
	require.NoError(t, err)
	cluster := fmt.Sprint(conn.Properties["cluster_name"])
	require.NoError(t, conn.Close())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "guest" || password != secret || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		what, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/behind/a proxy/api/"), "/")
		answer, ok := answers[what]
		if !ok {
			answer = map[string]string{"overview": `{"cluster_name":"` + cluster + `"}`, "exchanges": `[{"name":"amq.fanout","type":"fanout"}]`}[what]
			if answer == "" {
				answer = "[]"
			}
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "://", "://guest:"+secret+"@", 1) + "/behind/a%20proxy"
}

func TestVerifyOfAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	_, err := verify.Topology(within(t), b, broker.Topology{}, verify.Management(serve(t, nil)))
	require.NoError(t, err)
	for name, tc := range map[string]struct{ what, answer, says string }{
		"no JSON":             {"queues", "<html>" + secret, "is not what RabbitMQ's management answers"},
		"another JSON":        {"queues", `{"error":"` + secret + `"}`, "is not what RabbitMQ's management answers"},
		"other types":         {"queues", `[{"name":5}]`, "is not what RabbitMQ's management answers"},
		"null":                {"queues", `null`, "is not what RabbitMQ's management answers"},
		"a list with null":    {"bindings", `[{"arguments":["` + secret + `"]}]`, "is not what RabbitMQ's management answers"},
		"cut off":             {"bindings", `[{"source":"x"`, "is not what RabbitMQ's management answers"},
		"something behind":    {"bindings", `[] []`, "is not what RabbitMQ's management answers"},
		"nothing":             {"exchanges", ` `, "is not what RabbitMQ's management answers"},
		"no exchanges":        {"exchanges", `[]`, "it shows no exchange"},
		"huge":                {"bindings", "[" + strings.Repeat(" ", 64<<20) + "]", "more than 64 MiB"},
		"another cluster":     {"overview", `{"cluster_name":"theirs"}`, `of the cluster "theirs"`},
		"no cluster at all":   {"overview", `{}`, `of the cluster ""`},
		"nested ten thousand": {"queues", `[{"name":"q","arguments":{"a":` + strings.Repeat("[", 20_000), "is not what RabbitMQ's management answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := verify.Topology(within(t), b, broker.Topology{}, verify.Management(serve(t, map[string]string{tc.what: tc.answer})))
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), secret)
			require.Nil(t, report)
		})
	}
}

func TestVerifyOfAManagementThatFails(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	asked := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	t.Cleanup(elsewhere.Close)
	for says, handler := range map[string]http.HandlerFunc{
		"it answered 500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, secret, http.StatusInternalServerError) },
		"it answered 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"403":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"EOF":             func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"malformed HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = fmt.Fprint(conn, secret)
			_ = conn.Close()
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			u, err := url.Parse(server.URL)
			require.NoError(t, err)
			u.User = url.UserPassword("guest", secret)
			_, err = verify.Topology(within(t), b, broker.Topology{}, verify.Management(u.String()))
			require.ErrorContains(t, err, says)
			if says != "malformed HTTP" {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
	require.Empty(t, asked, "no redirect is followed")
}

func TestVerifyDoesNotWaitLongerThanItsContext(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "[")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release); slow.Close() })
	_, err := verify.Topology(withinTime(t, 100*time.Millisecond), b, broker.Topology{}, verify.Management(slow.URL, slow.URL))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestVerifyTrustsNoUnknownCertificate(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := verify.Topology(within(t), b, broker.Topology{}, verify.Management(strings.Replace(server.URL, "://", "://guest:"+secret+"@", 1)))
	require.ErrorContains(t, err, "certificate")
	require.NotContains(t, err.Error(), secret)
}

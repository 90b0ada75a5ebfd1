package failover_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		urls []string
		want []string
	}{
		{"everything left out", []string{"amqp://"}, []string{"amqp://localhost:5672/%2F"}},
		{"TLS port", []string{"amqps://a"}, []string{"amqps://a:5671/%2F"}},
		{"scheme in capitals", []string{"AMQP://a"}, []string{"amqp://a:5672/%2F"}},
		{"lone slash", []string{"amqp://a/"}, []string{"amqp://a:5672/%2F"}},
		{"default vhost, escaped", []string{"amqp://a/%2F"}, []string{"amqp://a:5672/%2F"}},
		{"default vhost, kombu", []string{"amqp://a//"}, []string{"amqp://a:5672/%2F"}},
		{"vhost", []string{"amqp://a/mail"}, []string{"amqp://a:5672/mail"}},
		{"IPv6", []string{"amqp://[::1]:5673/"}, []string{"amqp://[::1]:5673/%2F"}},
		{"IPv6 without port", []string{"amqp://u:p@[::1]"}, []string{"amqp://[::1]:5672/%2F"}},
		{"parameters without path", []string{"amqp://a?heartbeat=5"}, []string{"amqp://a:5672/%2F"}},
		{"all parameters", []string{"amqps://a/?heartbeat=0&connection_timeout=1&channel_max=9&auth_mechanism=plain&auth_mechanism=external&cacertfile=c&certfile=d&keyfile=e&server_name_indication=f"}, []string{"amqps://a:5671/%2F"}},
		{"a list", []string{"amqp://a", "amqps://b"}, []string{"amqp://a:5672/%2F", "amqps://b:5671/%2F"}},
		{"kombu's list", []string{"amqp://a;amqps://b"}, []string{"amqp://a:5672/%2F", "amqps://b:5671/%2F"}},
		{"kombu's shorthand", []string{"amqps://a;guest:guest@b;c:5673/v"}, []string{"amqps://a:5671/%2F", "amqps://b:5671/%2F", "amqps://c:5673/v"}},
		{"a password with ; in a list", []string{"amqp://u:p;w@a;amqp://u:1;2;3@b;c"}, []string{"amqp://a:5672/%2F", "amqp://b:5672/%2F", "amqp://c:5672/%2F"}},
		{"a port in a list", []string{"amqp://a:5673;u:p@b"}, []string{"amqp://a:5673/%2F", "amqp://b:5672/%2F"}},
		{"IPv6 with a zone", []string{"amqp://[fe80::1%25eth0]:5673/"}, []string{"amqp://[fe80::1%eth0]:5673/%2F"}},
		{"lists in a list", []string{"amqp://a;b", "amqps://c;d"}, []string{"amqp://a:5672/%2F", "amqp://b:5672/%2F", "amqps://c:5671/%2F", "amqps://d:5671/%2F"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			endpoints, err := failover.ParseURLs(row.urls)
			require.NoError(t, err)
			var got []string
			for _, e := range endpoints {
				got = append(got, e.String())
			}
			require.Equal(t, row.want, got)
		})
	}
}

func TestCredentialsInURLs(t *testing.T) {
	t.Parallel()
	rows := []struct{ url, user, password, vhost string }{
		{"amqp://a", "guest", "guest", "/"},
		{"amqp://@a", "guest", "guest", "/"},
		{"amqp://u@a", "u", "guest", "/"},
		{"amqp://u:@a", "u", "", "/"},
		{"amqp://u:p@a/v", "u", "p", "v"},
		{"amqp://u%40x:%3A%2F%3F%23%25%3B@a/%2Fv%40", "u@x", ":/?#%;", "/v@"},
		{"amqp://u:a+b@a", "u", "a+b", "/"},
		{"amqp://u:12;34@a", "u", "12;34", "/"},
		{(&url.URL{Scheme: "amqp", User: url.UserPassword("u", ";,&=$+!*'()~"), Host: "a"}).String(), "u", ";,&=$+!*'()~", "/"},
	}
	for _, row := range rows {
		t.Run(row.url, func(t *testing.T) {
			t.Parallel()
			endpoints, err := failover.ParseURLs([]string{row.url})
			require.NoError(t, err)
			user, password, vhost := failover.Details(endpoints[0])
			require.Equal(t, []string{row.user, row.password, row.vhost}, []string{user, password, vhost})
		})
	}
}

func TestWrongURLs(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		urls []string
		want string // part of the message, which is there to be read
	}{
		{"none", nil, "the list is empty"},
		{"empty", []string{""}, "number 1: it is empty"},
		{"second empty", []string{"amqp://a;"}, "number 2: it is empty"},
		{"no scheme", []string{"a"}, "number 1: the scheme is missing"},
		{"no scheme to inherit", []string{"amqp://a", "b"}, "number 2: the scheme is missing"},
		{"unknown scheme", []string{"http://a"}, "the scheme must be amqp:// or amqps://"},
		{"space", []string{"amqp://a b"}, "a space"},
		{"newline", []string{"amqp://a\n"}, "a control character"},
		{"port zero", []string{"amqp://a:0"}, "the port is not"},
		{"port too high", []string{"amqp://a:65536"}, "the port is not"},
		{"no port", []string{"amqp://a:"}, "the port is not"},
		{"host", []string{"amqp://a!b"}, "the host has a character"},
		{"IPv6 without brackets", []string{"amqp://fe80::1:5672"}, "goes in brackets"},
		{"not IPv6", []string{"amqp://[a]"}, "not an IPv6 address"},
		{"escape in credentials", []string{"amqp://u:%zz@a"}, "(host a): the credentials have a %"},
		{"escape in vhost", []string{"amqp://a/%zz"}, "(host a): the vhost has a %"},
		{"vhost that is not UTF-8", []string{"amqp://a/%ff"}, "(host a): the vhost is over 255 bytes, or not UTF-8"},
		{"long vhost", []string{"amqp://a/" + strings.Repeat("v", 256)}, "(host a): the vhost is over 255 bytes"},
		{"escape in parameters", []string{"amqp://a/?heartbeat=%zz"}, "(host a): the parameters"},
		{"unknown parameter", []string{"amqp://a?hartbeat=1"}, "is none of"},
		{"parameter twice", []string{"amqp://a?heartbeat=1&heartbeat=2"}, "heartbeat is given twice"},
		{"heartbeat", []string{"amqp://a?heartbeat=65536"}, "heartbeat is not"},
		{"connection_timeout", []string{"amqp://a?connection_timeout=0"}, "connection_timeout is not"},
		{"channel_max", []string{"amqp://a?channel_max=-1"}, "channel_max is not"},
		{"auth_mechanism", []string{"amqp://a?auth_mechanism=none"}, "auth_mechanism is none of"},
		{"TLS file without TLS", []string{"amqp://a?cacertfile=c"}, "need amqps://"},
		{"certificate without key", []string{"amqps://a?certfile=c"}, "certfile and keyfile"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := failover.ParseURLs(row.urls)
			require.ErrorIs(t, err, failover.ErrURL)
			require.ErrorContains(t, err, row.want)

			_, err = failover.Dial(t.Context(), row.urls)
			require.ErrorIs(t, err, failover.ErrURL)
		})
	}
}

func TestEveryWrongURLIsTold(t *testing.T) {
	t.Parallel()
	_, err := failover.ParseURLs([]string{"amqp://a:x;b", "http://c"})
	require.ErrorContains(t, err, "number 1:")
	require.ErrorContains(t, err, "number 3:")
	require.NotContains(t, err.Error(), "number 2")
}

func TestEndpointsPrintNoPassword(t *testing.T) {
	t.Parallel()
	endpoints, err := failover.ParseURLs([]string{"amqp://u:" + secret + "@a"})
	require.NoError(t, err)
	wrapped := struct{ endpoints []failover.Endpoint }{endpoints}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, endpoints[0]), secret, verb)
		require.NotContains(t, fmt.Sprintf(verb, wrapped), secret, verb)
	}
	var log lockedBuffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("hello", "node", endpoints[0])
	require.Contains(t, log.String(), "amqp://a:5672/")
	require.NotContains(t, log.String(), secret)
}

// The pieces are where they would be if an operator forgot to escape a password.
func FuzzNoPasswordIsPrinted(f *testing.F) {
	f.Add("amqp://u:", "", "", "@host:5672/vhost")
	f.Add("amqp://u:", "/", "", "@host")
	f.Add("amqp://u:", "12?", "#", "@host")
	f.Add("amqp://u:", "@", "@", "@host")
	f.Add("amqp://u:", "%", "%zz", "@host")
	f.Add("http://u:", "", "", "@host")
	f.Add("amqp://a;u:", "", "", "@host:port")
	f.Add("amqp://[u:", "", "]", "@[::1")
	f.Fuzz(func(t *testing.T, head, before, after, tail string) {
		// With a ; in it, or without its @, it is no password but a host.
		if strings.ContainsAny(before+after, ";") || len(tail) == 0 || tail[0] != '@' {
			return
		}
		// Nor is it one if the user is not there.
		if len(head) < 2 || head[len(head)-1] != ':' || strings.ContainsAny(head[len(head)-2:len(head)-1], ";/:") {
			return
		}
		endpoints, err := failover.ParseURLs([]string{head + before + secret + after + tail})
		if err != nil {
			require.NotContains(t, err.Error(), secret)
		}
		for _, e := range endpoints {
			require.NotContains(t, fmt.Sprintf("%v %#v %+v %d", e, e, e, e), secret)
			require.NotContains(t, e.Address(), secret)
		}
	})
}

package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/gowarren/warren/failover"
)

// URLs are those of the nodes of a cluster, for rabbitmq.Open, which takes them as they are. Printed as a
// whole they show no user and no password. One of them is a string, and does; so do all, to package fmt, in a
// field that is not exported.
type URLs []string

var (
	_ fmt.Formatter  = URLs{}
	_ fmt.Stringer   = URLs{}
	_ slog.LogValuer = URLs{}
)

// String returns the nodes without credentials and parameters.
func (u URLs) String() string {
	nodes, err := failover.ParseURLs(u)
	if err != nil {
		return redacted
	}
	return fmt.Sprint(nodes)
}

// Format prints [URLs.String], whatever the verb.
func (u URLs) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue logs [URLs.String].
func (u URLs) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText returns [URLs.String].
func (u URLs) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// brokers returns the URLs of p, each with the password unless it has one.
func (p *process) brokers() (URLs, error) {
	var urls URLs
	for _, s := range p.Brokers {
		urls = append(urls, s.Reveal())
	}
	nodes, err := failover.ParseURLs(urls)
	if err != nil || p.Password == nil {
		return urls, err
	}
	urls = split(urls)
	if len(urls) != len(nodes) {
		return nil, errors.New("a URL has a ; in its user or vhost: write %3B")
	}
	given := false
	for i, u := range urls {
		with, ok, err := withPassword(u, p.Password.Reveal())
		if err != nil {
			return nil, fmt.Errorf("number %d (%v): %w", i+1, nodes[i], err)
		}
		urls[i], given = with, given || ok
	}
	if !given {
		return nil, errors.New("each URL has a password of its own, and there is the key password: remove one or the other")
	}
	if _, err := failover.ParseURLs(urls); err != nil {
		return nil, err
	}
	return urls, nil
}

// split makes one URL of each part between ;. A part without a scheme has that of the one before it.
func split(urls URLs) URLs {
	var all URLs
	for _, list := range urls {
		scheme := ""
		for part := range strings.SplitSeq(list, ";") {
			before, _, found := strings.Cut(part, "://")
			if found {
				scheme = before
			} else {
				part = scheme + "://" + part
			}
			all = append(all, part)
		}
	}
	return all
}

// withPassword adds a password to a URL that names a user and has none.
func withPassword(u, password string) (with string, added bool, err error) {
	scheme, rest, _ := strings.Cut(u, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	user, _, found := strings.Cut(authority, "@")
	switch {
	case !found || user == "":
		return "", false, errors.New("the URL names no user for the password: write amqp://USER@HOST/")
	case strings.Contains(user, ":"):
		return u, false, nil
	}
	escaped := strings.ReplaceAll(url.QueryEscape(password), "+", "%20")
	return scheme + "://" + user + ":" + escaped + rest[len(user):], true, nil
}

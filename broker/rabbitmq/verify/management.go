package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of a management answer: enough for some 100,000 bindings.
const (
	managementTimeout = 30 * time.Second
	managementLimit   = 64 << 20
)

// managementNode is a node whose management is asked. Do not print it whole: it has a password.
type managementNode struct {
	base           string // without credentials
	host           string
	user, password string
	timeout        time.Duration
}

// nodes parses the URLs. Its errors, which replace those of the standard library, contain no part
// of a URL that could be a password.
func (o options) nodes() ([]managementNode, error) {
	if o.managed && len(o.urls) == 0 {
		return nil, errors.New("verify: Management has no URL: pass one, or leave it out")
	}
	var (
		nodes []managementNode
		errs  []error
	)
	for i, text := range o.urls {
		n, err := parseManagement(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("verify: management URL number %d: %w", i+1, err))
		}
		nodes = append(nodes, n)
	}
	return nodes, errors.Join(errs...)
}

func parseManagement(text string) (managementNode, error) {
	const form = "it must be like http://user:password@host:15672, with @ : / ? # % in the credentials percent-encoded"
	u, err := url.Parse(text)
	if err != nil {
		return managementNode{}, errors.New(form)
	}
	// An @ after the host means that a / in the password ended the host too early.
	atEnd := strings.Contains(u.Path, "@")
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || atEnd {
		return managementNode{}, errors.New(form)
	}
	n := managementNode{host: u.Host, user: "guest", password: "guest", timeout: managementTimeout}
	if u.User != nil {
		n.user = u.User.Username()
		n.password, _ = u.User.Password()
	}
	u.User = nil
	n.base = u.JoinPath("api").String() + "/"
	return n, nil
}

// managementClient follows no redirect, which could send the password elsewhere, and keeps no
// connection.
var managementClient = &http.Client{
	Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// get decodes the answer to a question. Its errors contain nothing of the answer's body, which may
// repeat what was sent.
func (n managementNode) get(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path, nil)
	if err != nil {
		return errors.New("the URL cannot be asked")
	}
	request.SetBasicAuth(n.user, n.password)
	response, err := managementClient.Do(request)
	if err != nil {
		return whyNot(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("it answered %d: give a user with the tag management and rights in the vhost", response.StatusCode)
	case http.StatusNotFound: // from RabbitMQ 4.3 for a user without rights
		return errors.New("it answered 404: is it RabbitMQ's management, and has the user rights in the vhost?")
	default:
		return fmt.Errorf("it answered %d: is it RabbitMQ's management?", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, managementLimit+1))
	switch {
	case err != nil:
		return whyNot(ctx, err)
	case len(body) > managementLimit:
		return fmt.Errorf("its answer has more than %d MiB", managementLimit>>20)
	case json.Unmarshal(body, answer) != nil, string(bytes.TrimSpace(body)) == "null":
		return errors.New("its answer is not what RabbitMQ's management answers")
	}
	return nil
}

// whyNot returns the reason why ctx ended if it did, and removes the URL.
func whyNot(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, ctx.Err()) {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

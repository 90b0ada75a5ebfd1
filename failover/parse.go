package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The defaults of RabbitMQ's URLs.
const (
	defaultHost  = "localhost"
	defaultUser  = "guest"
	defaultVhost = "/"
	amqpPort     = 5672
	amqpsPort    = 5671
)

// ParseURLs returns the nodes of urls, each of which may hold several with ; between
// them. See the package's documentation for their form. The error wraps [ErrURL], names
// every wrong URL by its number, and quotes nothing that could be part of a
// password.
//
// The standard library's parser is not used on whole URLs, nor its errors wrapped: they
// print the URL.
func ParseURLs(urls []string) ([]Endpoint, error) {
	if len(urls) == 0 {
		return nil, fmt.Errorf("failover: %w: the list is empty", ErrURL)
	}
	var (
		endpoints []Endpoint
		errs      []error
		number    int
	)
	for _, list := range urls {
		scheme := ""
		for rest, more := list, true; more; {
			var part string
			part, rest, more = cutPart(rest)
			number++
			endpoint, err := parsePart(part, &scheme)
			if err != nil {
				errs = append(errs, fmt.Errorf("failover: %w: number %d%s: %w", ErrURL, number, safeHost(endpoint), err))
			}
			endpoint.number = number
			endpoints = append(endpoints, endpoint)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return endpoints, nil
}

// cutPart cuts the first URL off a list. In amqp://user:pass;word@host, as net/url writes it, the ;
// is part of the password.
func cutPart(list string) (part, rest string, more bool) {
	start := 0
	if scheme := strings.Index(list, "://"); scheme >= 0 && !strings.Contains(list[:scheme], ";") {
		start = scheme + len("://")
		authority := list[start:]
		if end := strings.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		credentials, _, found := strings.Cut(authority, "@")
		user, password, _ := strings.Cut(credentials, ":")
		if found && !strings.Contains(user, ";") && !strings.Contains(password, ":") {
			start += len(credentials)
		}
	}
	if i := strings.Index(list[start:], ";"); i >= 0 {
		return list[:start+i], list[start+i+1:], true
	}
	return list, "", false
}

// safeHost is the host, unless it could be part of a password.
func safeHost(e Endpoint) string {
	if e.host == "" {
		return ""
	}
	return fmt.Sprintf(" (host %s)", e.host)
}

// parsePart parses one URL of a list. scheme is that of the part before it, for a part
// that has none.
func parsePart(part string, scheme *string) (Endpoint, error) {
	if part == "" {
		return Endpoint{}, errors.New("it is empty")
	}
	if strings.ContainsFunc(part, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return Endpoint{}, errors.New("it contains a space or a control character")
	}
	before, rest, found := strings.Cut(part, "://")
	if found {
		*scheme = strings.ToLower(before)
	} else {
		rest = part
	}
	switch *scheme {
	case "amqp", "amqps":
		return parseURL(*scheme == "amqps", rest)
	case "":
		return Endpoint{}, errors.New("the scheme is missing; it must be amqp:// or amqps://")
	}
	return Endpoint{}, errors.New("the scheme must be amqp:// or amqps://")
}

// parseURL parses what follows the scheme.
func parseURL(tls bool, rest string) (Endpoint, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	// A second @ means that the credentials contain a
	// character that ends the authority, such as / in amqp://user:pa/ss@host. The
	// apparent host is then a piece of a password.
	if strings.Contains(tail, "@") || strings.Count(authority, "@") > 1 {
		return Endpoint{}, errors.New("it has an @ in a wrong place; in user, password and vhost, @ : / ? # % ; must be percent-encoded")
	}
	if strings.Contains(tail, "#") {
		return Endpoint{}, errors.New("it has a #, which must be percent-encoded as %23")
	}
	e := Endpoint{tls: tls}
	credentials, address, found := strings.Cut(authority, "@")
	if !found {
		credentials, address = "", authority
	}
	if err := e.parseAddress(address); err != nil {
		return e, err
	}
	if err := e.parseCredentials(credentials); err != nil {
		return e, err
	}
	path, query, _ := strings.Cut(tail, "?")
	if err := e.parseVhost(path); err != nil {
		return e, err
	}
	return e, e.parseParameters(query)
}

// parseAddress parses host:port. It sets the host last: with a wrong port, the host
// could be the user of a URL like amqp://user:password that lacks its host.
func (e *Endpoint) parseAddress(address string) error {
	host, port, hasPort := address, "", false
	if i := strings.LastIndexByte(address, ':'); i > strings.LastIndexByte(address, ']') {
		host, port, hasPort = address[:i], address[i+1:], true
	}
	e.port = amqpPort
	if e.tls {
		e.port = amqpsPort
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return errors.New("the port is not a number from 1 to 65535")
		}
		e.port = uint16(n)
	}
	host, err := parseHost(host)
	if err != nil {
		return err
	}
	e.host = host
	return nil
}

func parseHost(host string) (string, error) {
	if host == "" {
		return defaultHost, nil
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		// The % before a zone is %25 in a URL (RFC 6874).
		address, err := netip.ParseAddr(strings.Replace(host[1:len(host)-1], "%25", "%", 1))
		if err != nil || !address.Is6() {
			return "", errors.New("the host in brackets is not an IPv6 address")
		}
		return address.String(), nil
	}
	wrong := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
	}
	if strings.ContainsFunc(host, wrong) {
		return "", errors.New("the host has a character that no host name has; an IPv6 address goes in brackets")
	}
	return host, nil
}

// parseCredentials parses the user and password before the @. A missing one is
// guest, as in RabbitMQ's own clients.
func (e *Endpoint) parseCredentials(credentials string) error {
	e.user, e.password = defaultUser, newSecret(defaultUser)
	if credentials == "" {
		return nil
	}
	user, password, hasPassword := strings.Cut(credentials, ":")
	if strings.Contains(password, ":") {
		return errors.New("the password has a :, which must be percent-encoded as %3A")
	}
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	if errUser != nil || errPassword != nil {
		return errors.New("the credentials have a % that is no percent-encoding; % itself is %25")
	}
	e.user = user
	if hasPassword {
		e.password = newSecret(password)
	}
	return nil
}

// parseVhost parses the path. None, and a lone slash, are the default vhost.
func (e *Endpoint) parseVhost(path string) error {
	e.vhost = defaultVhost
	if len(path) < 2 {
		return nil
	}
	vhost, err := url.PathUnescape(path[1:])
	if err != nil {
		return errors.New("the vhost has a % that is no percent-encoding; % itself is %25")
	}
	if len(vhost) > 255 || !utf8.ValidString(vhost) {
		return errors.New("the vhost is over 255 bytes, or not UTF-8: no vhost has such a name")
	}
	e.vhost = vhost
	return nil
}

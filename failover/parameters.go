package failover

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parameters are the query parameters of a URL, named as in the client and RabbitMQ.
var parameters = map[string]func(e *Endpoint, value string) error{
	"heartbeat":              (*Endpoint).setHeartbeat,
	"connection_timeout":     (*Endpoint).setConnectTimeout,
	"channel_max":            (*Endpoint).setChannelMax,
	"auth_mechanism":         (*Endpoint).addMechanism,
	"cacertfile":             func(e *Endpoint, v string) error { return e.setTLS(&e.caFile, v) },
	"certfile":               func(e *Endpoint, v string) error { return e.setTLS(&e.certFile, v) },
	"keyfile":                func(e *Endpoint, v string) error { return e.setTLS(&e.keyFile, v) },
	"server_name_indication": func(e *Endpoint, v string) error { return e.setTLS(&e.serverName, v) },
}

// parseParameters parses the query. An unknown parameter is an error: it is
// most likely a known one with a typing error.
func (e *Endpoint) parseParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the parameters after ? are not name=value with & between them, percent-encoded")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list := values[name]
		set, known := parameters[name]
		switch {
		case !known:
			errs = append(errs, errors.New("a parameter after ? is none of auth_mechanism, cacertfile, certfile, channel_max, connection_timeout, heartbeat, keyfile and server_name_indication"))
		case len(list) > 1 && name != "auth_mechanism":
			errs = append(errs, fmt.Errorf("the parameter %s is given twice", name))
		default:
			for _, value := range list {
				errs = append(errs, set(e, value))
			}
		}
	}
	if (e.certFile == "") != (e.keyFile == "") {
		errs = append(errs, errors.New("certfile and keyfile need one another"))
	}
	return errors.Join(errs...)
}

func (e *Endpoint) setHeartbeat(value string) error {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return errors.New("heartbeat is not a number of seconds from 0 to 65535")
	}
	d := time.Duration(n) * time.Second
	e.heartbeat = &d
	return nil
}

func (e *Endpoint) setConnectTimeout(value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return errors.New("connection_timeout is not a positive number of milliseconds")
	}
	e.connectTimeout = time.Duration(n) * time.Millisecond
	return nil
}

func (e *Endpoint) setChannelMax(value string) error {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return errors.New("channel_max is not a number from 0 to 65535")
	}
	e.channelMax = uint16(n)
	return nil
}

func (e *Endpoint) addMechanism(value string) error {
	mechanism := strings.ToUpper(value)
	switch mechanism {
	case plain, amqplain, external:
		e.mechanisms = append(e.mechanisms, mechanism)
		return nil
	}
	return errors.New("auth_mechanism is none of plain, amqplain and external")
}

func (e *Endpoint) setTLS(field *string, value string) error {
	if !e.tls {
		return errors.New("cacertfile, certfile, keyfile and server_name_indication need amqps://")
	}
	*field = value
	return nil
}

//go:build unix

package rabbitmqtest

import (
	"fmt"
	"strings"
)

// admin is the user in the node's log and events for changes by tests.
const admin = `<<"rabbitmqtest">>`

// AddVhost adds a vhost, in which guest may do everything.
func (n *Node) AddVhost(tb TB, name string) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_vhost:add(%s)", binaries(name))
	n.Permit(tb, "guest", name, ".*", ".*", ".*")
}

// AddUser adds a user who may do everything in the vhosts, and nothing elsewhere.
func (n *Node) AddUser(tb TB, user, password string, vhosts ...string) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_auth_backend_internal:add_user(%s)", binaries(user, password))
	for _, vhost := range vhosts {
		n.Permit(tb, user, vhost, ".*", ".*", ".*")
	}
}

// SetPassword changes a user's password.
func (n *Node) SetPassword(tb TB, user, password string) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_auth_backend_internal:change_password(%s)", binaries(user, password))
}

// Permit allows the user to configure, write and read the resources with these names, which are
// regular expressions, and nothing else in the vhost.
func (n *Node) Permit(tb TB, user, vhost, configure, write, read string) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_auth_backend_internal:set_permissions(%s)", binaries(user, vhost, configure, write, read))
}

// PermitTopics allows the user to publish to the topic exchange only with routing keys that match
// write, a regular expression, and to bind to it with any.
func (n *Node) PermitTopics(tb TB, user, vhost, exchange, write string) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_auth_backend_internal:set_topic_permissions(%s)", binaries(user, vhost, exchange, write, ".*"))
}

// LimitConnections limits how many connections the vhost takes; a negative limit is none.
func (n *Node) LimitConnections(tb TB, vhost string, limit int) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_vhost_limit:parse_set(%s)", binaries(vhost, fmt.Sprintf(`{"max-connections": %d}`, limit)))
}

// ImportDefinitions imports a file of definitions, given as its content.
func (n *Node) ImportDefinitions(tb TB, definitions []byte) {
	tb.Helper()
	n.evalOKf(tb, "rabbit_definitions:import_raw(list_to_binary(%s))", erlangString(string(definitions)))
}

// binaries is the texts as arguments of an Erlang function that changes something; its last argument
// is the acting user.
func binaries(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "list_to_binary(%s), ", erlangString(text))
	}
	return b.String() + admin
}

package failover

import amqp "github.com/rabbitmq/amqp091-go"

// Vhost returns the virtual host that the session is in.
func (s *Session) Vhost() string { return s.conn.Config.Vhost }

// ServerProperties returns the properties of the node, such as product, version and
// cluster_name. The table must not be changed.
func (s *Session) ServerProperties() amqp.Table { return s.conn.Properties }

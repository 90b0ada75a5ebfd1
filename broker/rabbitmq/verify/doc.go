// Package verify compares a RabbitMQ with a topology, and changes nothing there. Use it when a
// service starts, after [rabbitmq.Broker.Declare] and before it consumes, or in a command of its
// own.
//
//	report, err := verify.Topology(ctx, b, topology, verify.InPlace(20, "mail"))
//	if err == nil {
//		err = report.Err()
//	}
//
// Each [Finding] says what to change.
package verify

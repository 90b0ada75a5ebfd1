// Package verify compares what is in a RabbitMQ with a topology, and changes nothing there. It is
// for the start of a service, after [rabbitmq.Broker.Declare] and before it consumes, or for a
// command of its own.
//
//	report, err := verify.Topology(ctx, b, topology, verify.InPlace(20, "mail"))
//	if err == nil {
//		err = report.Err()
//	}
//
// Each [Finding] says what to change.
package verify

// Package nameko speaks with services and clients that are written in Python with nameko: RPC as a
// remote.Protocol, and events.
//
// A service in Go that Python calls as n.rpc.calculator.add(20, 22):
//
//	err := b.Declare(ctx, nameko.Service("calculator"))
//	pipeline, err := stack.New(ack.New(), reply.New(b.Publisher(), nameko.Protocol), recovery.New()).Then(
//		mux.New(nameko.ByMethod, mux.On("add", remote.Handler(nameko.Protocol, add))))
//	c, err := consumer.New(b.Source(nameko.ServiceQueue("calculator")), pipeline)
//
// A client in Go that calls a service in Python:
//
//	client, err := rpc.New(rpc.Queue(b, "rpc.reply-web-"+id, rpc.Bind(nameko.Exchange, id)), nameko.Protocol)
//	sum, err := rpc.Call[int](ctx, client, nameko.Method("calculator", "add"), nameko.Args{Args: []any{20, 22}})
//
// # Arguments
//
// A method's arguments decode into what the handler takes:
//
//	a struct       the keywords by the JSON names of its fields, and the positions by their order; a field that is
//	               not omitempty must be there
//	a slice        the positions
//	Arguments      all as they are
//	anything else  the one position
//
// Arguments that do not fit are answered with IncorrectSignature, as in Python, and a body that is no request with
// MalformedRequest.
//
// # Where this comes from
//
// The names and the formats are those that services and clients of nameko were seen to write. A request without
// a content type or a reply-to stops a Python service; the protocol and its client always send both.
package nameko

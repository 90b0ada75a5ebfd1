// Package frames stands between the client and the socket, where the client is not enough.
//
// A Reader reads a broker's stream of AMQP frames and changes the tables that the client
// cannot read, or reads otherwise than RabbitMQ does, so that one message does not end the
// connection of all others. It shows a priority of 0, which the client takes for none, as
// [HeaderPriority0], and a Writer makes it the property again. Everything else passes unchanged.
//
// The tables are those of content headers, which deliveries and returned messages have, and the
// server's properties in connection.start. In them
//
//   - an integer of type L becomes one of type l: RabbitMQ reads both as signed 64-bit integers,
//     and the layout is the same;
//   - of a key that is given twice, in one table at any depth, the first value stays: RabbitMQ acts
//     on the first, the client keeps the last;
//   - a table or list that the client does not read becomes a byte array with the same content: one
//     that is nested over 32 levels deep, has over 8,192 entries, or has a value of an unknown type;
//   - what the client does not read of the outermost table, and the largest headers where all of them
//     do not fit one frame, are left out; [Header] says so and holds them.
package frames

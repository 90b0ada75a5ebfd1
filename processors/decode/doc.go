// Package decode undoes the content encoding of a message, such as gzip, before the
// handler sees it. Swarrot has nothing like it.
//
// Put it inside ack and retry, which republish the bytes that came, and outside what tries
// again in place, waits, or holds a transaction: a message that does not decode then costs
// none of these, and one that does is decoded once. A decoder that panics does no harm here.
//
//	stack.New(ack.New(), retry.New(...), decode.New(), recovery.New()).Then(handler)
//
// The layers inside get a message of the same headers and origin, with the decoded body
// and without a content encoding. It settles the message that came; it is no
// [processor.Releaser], which is for whoever runs the pipeline.
//
// A body that does not decode never will: the message is rejected ([processor.Reject]),
// and the handler is not called. With processors/xdeath, put decode inside it, or a
// message that is dead-lettered back to its queue comes for ever.
//
// # Encodings
//
// Known are gzip, x-gzip and deflate, the latter with the zlib header that the standards
// ask for or, as some senders have it, without; more come with [Encoding]. Names are
// compared without case. A list, such as "deflate, gzip", names them in the order in which
// they were applied; it may have three.
//
// Many senders write a charset there, as nameko and kombu do with utf-8, or a word such as
// binary or identity. These pass untouched, encoding and all, as does what [Ignore] names.
// Any other encoding is rejected, with [ErrUnknown]: a handler that got brotli for JSON
// would fail with a text that helps nobody.
//
// kombu, and so Celery, names its compression in a header, compression. application/x-gzip,
// which is zlib, and application/x-bz2 are undone, before the content encoding; others, such as
// application/x-lzma, are rejected by name, unless [Encoding] adds them. The layers inside get the
// message without that header.
//
// # What is accepted
//
// A body must be whole and nothing else: a stream that is cut short or whose checksum is
// wrong, an empty body, and bytes after the end are rejected. Several gzip members in a row
// are one stream, as their standard says. No more than [MaxSize] and a byte is ever decoded.
package decode

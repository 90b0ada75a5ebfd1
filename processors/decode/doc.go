// Package decode undoes the content encoding of a message, such as gzip, before the
// handler sees it.
//
// Put it inside ack and retry, which republish the original bytes, and outside layers that retry in
// place, wait, or hold a transaction: a message that does not decode then costs none of these, and
// others are decoded once. A decoder that panics does no harm here.
//
//	stack.New(ack.New(), retry.New(...), decode.New(), recovery.New()).Then(handler)
//
// The inner layers get a message with the same headers and origin, the decoded body and no content
// encoding. It settles the original message.
//
// A body that does not decode never will: the message is rejected ([processor.Reject]), and the
// handler is not called. With processors/xdeath, put decode inside it, or a message dead-lettered
// back to its queue is redelivered without end.
//
// # Encodings
//
// gzip, x-gzip and deflate are known, the latter with the zlib header that the standards require
// or, as some senders have it, without; add others with [Encoding]. Names are compared without
// case. A list of up to three, such as "deflate, gzip", names them in the order in which they were
// applied.
//
// Many senders write a charset there, as nameko and kombu do with utf-8, or a word such as binary
// or identity. These messages pass unchanged, encoding included, as do those that [Ignore] names.
// Any other encoding is rejected, with [ErrUnknown]: a handler that got brotli for JSON would fail
// with an obscure text.
//
// kombu, and so Celery, names its compression in a header, compression. application/x-gzip, which
// is zlib, and application/x-bz2 are decoded, before the content encoding; others, such as
// application/x-lzma, are rejected by name, unless [Encoding] adds them. The inner layers get the
// message without that header.
//
// # What is accepted
//
// A body must be complete and nothing else: a stream that is cut short or whose checksum is wrong,
// an empty body, and bytes after the end are rejected. Several gzip members in a row are one
// stream, as their standard says. No more than [MaxSize] and a byte is ever decoded.
package decode

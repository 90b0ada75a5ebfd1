package dedup

import (
	"context"
	"errors"
)

var errNoStore = errors.New("dedup: the store is nil: pass one, such as NewMemory(100_000, time.Hour)")

// Store remembers which messages have been processed. [Memory] is one; a table with one
// column and a primary key, or a key in Redis that expires, makes another.
//
// Its duties:
//
//  1. Both methods may be called concurrently, and return soon after ctx
//     ends.
//  2. Seen returns true only for an id that was given to Mark. A wrong true loses a
//     message: a Bloom filter is no Store.
//  3. Mark returns nil when the id is stored as safely as it is meant to be. Marking an id
//     twice is no error.
//  4. Ids may be forgotten in time. A message that comes after that is processed again.
//
// A store that decorates another has a method Unwrap() Store, so that the stack can ask that one
// too whether it can work ([processor.Check]).
//
// An id is 64 hexadecimal digits in lower case, a SHA-256, whatever a sender wrote: it is safe in a
// query, a file name or a URL, and with a case-insensitive collation.
type Store interface {
	// Seen reports whether the message has been processed.
	Seen(ctx context.Context, id string) (bool, error)
	// Mark remembers that the message has been processed.
	Mark(ctx context.Context, id string) error
}

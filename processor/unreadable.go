package processor

import "errors"

// HeaderUnreadable is a header of a message whose headers could not all be read. Its value is a
// []byte: some of what could not be read, as the broker sent it. The message has all its other
// headers. See package failover for when that is.
const HeaderUnreadable = "warren-unreadable-headers"

// ErrUnreadable is wrapped by the error of a message that has [HeaderUnreadable]. A stack rejects
// it and does not call the handler, which might miss a header.
var ErrUnreadable = errors.New("processor: not all headers of the message could be read")

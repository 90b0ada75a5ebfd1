package republish

import (
	"strings"

	"github.com/gowarren/warren/processor"
)

// HeaderOriginalHeaders saves what could not be read of a message's headers. Under its other name,
// [processor.HeaderUnreadable], the copy would be rejected like the message, wherever it goes.
const HeaderOriginalHeaders = "warren-original-headers"

// Strip removes from h the broker's headers, and those that would steer a copy.
func Strip(h processor.Headers) {
	for _, name := range brokerHeaders {
		delete(h, name)
	}
	for name := range h {
		if strings.HasPrefix(name, DelayPrefix) {
			delete(h, name)
		}
	}
	if part, unreadable := h[processor.HeaderUnreadable]; unreadable {
		delete(h, processor.HeaderUnreadable)
		h[HeaderOriginalHeaders] = part
	}
}

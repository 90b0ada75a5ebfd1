package republish

import (
	"strings"

	"github.com/gowarren/warren/processor"
)

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
}

package publish

import (
	"fmt"

	"github.com/gowarren/warren/processor"
)

// unknownOutcome is the error of a publish whose answer will not come.
func unknownOutcome(to processor.Destination, cause error) error {
	return fmt.Errorf("rabbitmq: publish to %s: %w: %w", to, processor.ErrIndeterminate, cause)
}

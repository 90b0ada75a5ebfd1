package republish_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

// A parked copy can be read, so whoever processes the parked queue must get it.
func TestACopyOfAMessageThatMissesHeadersMissesNone(t *testing.T) {
	t.Parallel()
	rest := []byte("\x01aV")
	e := republish.Envelope(processortest.NewMessage(processortest.Header(processor.HeaderUnreadable, rest)))
	require.Equal(t, processor.Headers{republish.HeaderOriginalHeaders: rest}, e.Headers)
}

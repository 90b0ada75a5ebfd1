package key_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/processortest"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	byHeader := key.Header("customer")
	require.Empty(t, byHeader(processortest.NewMessage()))
	for want, value := range map[string]any{"c1": "c1", "c2": []byte("c2"), "-7": int64(-7), "3": int32(3)} {
		require.Equal(t, want, byHeader(processortest.NewMessage(processortest.Header("customer", value))))
	}
	for _, value := range []any{nil, 1.5, true, []any{"c1"}, processor.Headers{"a": "c1"}} {
		require.Empty(t, byHeader(processortest.NewMessage(processortest.Header("customer", value))))
	}
	require.Equal(t, "mail.sent", key.RoutingKey(processortest.NewMessage(processortest.Origin(processor.Origin{RoutingKey: "mail.sent"}))))
}

// A header without a name was accepted, and no message was ordered.
func TestAHeaderWithoutANameIsNoKey(t *testing.T) {
	t.Parallel()
	require.Nil(t, key.Header(""))
}

package replay_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

// The broker parks a message at its delivery limit, and writes no header but x-death.
func TestTheOriginOfWhatTheBrokerParked(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	death := func(reason string, exchange, keys any) h {
		return h{"reason": reason, "queue": "mail", "count": int64(1), "exchange": exchange, "routing-keys": keys}
	}
	for name, tc := range map[string]struct {
		headers h
		want    processor.Destination
		known   bool
	}{
		"given up":                {h{"x-death": []any{death("delivery_limit", "work", []any{"mail.send", "cc"})}}, processor.Destination{Exchange: "work", RoutingKey: "mail.send"}, true},
		"after a wait":            {h{"x-death": []any{death("expired", "", []any{"mail_retry"}), death("delivery_limit", "", []any{"mail"})}}, processor.Destination{RoutingKey: "mail"}, true},
		"had failed before":       {h{"warren-original-exchange": "x", "warren-original-routing-key": "k", "x-death": []any{death("delivery_limit", "", []any{"mail"})}}, processor.Destination{Exchange: "x", RoutingKey: "k"}, true},
		"rejected":                {h{"x-death": []any{death("rejected", "", []any{"mail"})}}, processor.Destination{}, false},
		"forged, no keys":         {h{"x-death": []any{death("delivery_limit", "", []any{})}}, processor.Destination{}, false},
		"forged, a number":        {h{"x-death": []any{death("delivery_limit", "", []any{int64(1)})}}, processor.Destination{}, false},
		"forged, no exchange":     {h{"x-death": []any{death("delivery_limit", int64(1), []any{"mail"})}}, processor.Destination{}, false},
		"forged, too long":        {h{"x-death": []any{death("delivery_limit", "", []any{string(make([]byte, 256))})}}, processor.Destination{}, false},
		"forged, no table at all": {h{"x-death": []any{"delivery_limit", nil}}, processor.Destination{}, false},
		"forged, no list":         {h{"x-death": "delivery_limit"}, processor.Destination{}, false},
	} {
		var opts []processortest.Option
		for header, value := range tc.headers {
			opts = append(opts, processortest.Header(header, value))
		}
		got, err := replay.OriginOf(processortest.NewMessage(opts...))
		if !tc.known {
			require.ErrorIs(t, err, replay.ErrNoOrigin, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

func TestTheQueueThatAMessageFailedIn(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	death := func(reason string, queue any) h {
		return h{"reason": reason, "queue": queue, "count": int64(1), "exchange": "", "routing-keys": []any{"mail"}}
	}
	for name, tc := range map[string]struct {
		headers h
		want    string // "" is none
	}{
		"failed":                {h{"warren-original-queue": "mail"}, "mail"},
		"given up":              {h{"x-death": []any{death("delivery_limit", "mail")}}, "mail"},
		"failed, then given up": {h{"warren-original-queue": "mail", "x-death": []any{death("delivery_limit", "other")}}, "mail"},
		"rejected":              {h{"x-death": []any{death("rejected", "mail")}}, ""},
		"none":                  {nil, ""},
		"empty":                 {h{"warren-original-queue": ""}, ""},
		"a number":              {h{"warren-original-queue": int64(1)}, ""},
		"bytes":                 {h{"warren-original-queue": []byte("mail")}, ""},
		"too long":              {h{"warren-original-queue": strings.Repeat("q", 256)}, ""},
		"given up, no name":     {h{"x-death": []any{death("delivery_limit", "")}}, ""},
		"given up, a number":    {h{"x-death": []any{death("delivery_limit", int64(1))}}, ""},
		"given up, a long name": {h{"x-death": []any{death("delivery_limit", strings.Repeat("q", 256))}}, ""},
	} {
		var opts []processortest.Option
		for header, value := range tc.headers {
			opts = append(opts, processortest.Header(header, value))
		}
		got, err := replay.QueueOf(processortest.NewMessage(opts...))
		if tc.want == "" {
			require.ErrorIs(t, err, replay.ErrNoOrigin, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func Example() {
	if err := describe(os.Stdout, false); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1   signals       signals: SIGTERM, SIGINT, SIGQUIT
	// 2   ack           requeue on error: false
	// 3   retry         exchange: mail, keys: mail_retry_%attempt%, retries: 3, park key: mail_parked, keep trying: 15s
	// 4   decode        max size: 1MiB, decoders: application/x-bz2, application/x-gzip, deflate, gzip, x-gzip, ignore: charsets, identity
	// 5   dedup         store: *dedup.Memory, key: app id, type and message id, scope: queue, store timeout: 10s
	// 6   throttle      limit: 50/s, burst: 10
	// 7   breaker       downstream: mail server, failures: 5, open for: 30s, counts: failed
	// 8   instantretry  retries: 1, delay: 100ms, double up to: off
	// 9   timeout       limit: 10s, broker timeout: 30m0s
	// 10  recovery      goexit: false
	// 11  main.sender
	//
	// ok                  acked
	// error               a copy goes to exchange "mail" with key "mail_retry_1", then acked
	// permanent error     a copy goes to exchange "mail" with key "mail_parked", then acked
	// panic               a copy goes to exchange "mail" with key "mail_retry_1", then acked
	// timeout             a copy goes to exchange "mail" with key "mail_retry_1", then acked
	// republish failed    back to its queue
	// attempts exhausted  a copy goes to exchange "mail" with key "mail_parked", then acked
	// shutdown            given back untouched
}

func TestJSONSaysTheSame(t *testing.T) {
	t.Parallel()
	var text, encoded bytes.Buffer
	require.NoError(t, describe(&text, false))
	require.NoError(t, describe(&encoded, true))
	var d struct {
		Layers []struct {
			Name     string `json:"name"`
			Settings []struct {
				Value string `json:"value"`
			} `json:"settings"`
		} `json:"layers"`
		Outcomes []struct {
			Case    string `json:"case"`
			Message string `json:"message"`
		} `json:"outcomes"`
	}
	require.NoError(t, json.Unmarshal(encoded.Bytes(), &d))
	require.Len(t, d.Layers, 11)
	require.Len(t, d.Outcomes, 8)
	for _, l := range d.Layers {
		require.Contains(t, text.String(), l.Name)
		for _, s := range l.Settings {
			require.Contains(t, text.String(), s.Value)
		}
	}
	for _, o := range d.Outcomes {
		require.Contains(t, text.String(), o.Case)
		require.Contains(t, text.String(), o.Message)
	}
}

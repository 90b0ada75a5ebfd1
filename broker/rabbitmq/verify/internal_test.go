package verify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
)

// The default limit, of a broker that cannot be run here.
func TestTheDeliveryLimitOfRabbitMQ4(t *testing.T) {
	t.Parallel()
	four := version.Of(amqp.Table{"product": "RabbitMQ", "version": "4.1.0"})
	quorum := attributes{queueTypeArg: "quorum"}
	kept := attributes{queueTypeArg: "quorum", "x-dead-letter-exchange": ""}
	for name, tc := range map[string]struct {
		inPlace  int
		live     attributes
		severity Severity
		says     string
	}{
		"drops":              {0, quorum, Fault, "its delivery limit is 20, the broker's default; it then drops them"},
		"drops too soon":     {21, quorum, Fault, "its delivery limit is 20, the broker's default, and messages may go back to it 21 times; it then drops them"},
		"keeps":              {20, kept, "", ""},
		"keeps but too soon": {21, kept, Fault, "its delivery limit is 20, the broker's default, and messages may go back to it 21 times"},
		"no limit, as set":   {21, attributes{limitArg: int64(-1)}, "", ""},
		"never reached":      {21, attributes{limitArg: int64(1<<31 - 1)}, "", ""},
		"another, as set":    {21, attributes{limitArg: int32(30), "x-dead-letter-exchange": ""}, "", ""},
	} {
		v := &verification{server: four, options: options{inPlace: tc.inPlace}, report: &Report{}}
		v.limit("q", tc.live)
		if tc.says == "" {
			require.Empty(t, v.report.Findings, name)
			continue
		}
		require.Len(t, v.report.Findings, 1, name)
		require.Equal(t, tc.severity, v.report.Findings[0].Severity, name)
		require.Equal(t, tc.says, v.report.Findings[0].Problem, name)
	}
}

func TestReadDifference(t *testing.T) {
	t.Parallel()
	sent := attributes{ttlArg: int64(5), "x-overflow": "drop-head", "x-single-active-consumer": true}
	const intro = "PRECONDITION_FAILED - inequivalent arg '"
	for reason, want := range map[string]told{
		"x-message-ttl' for queue 'q' in vhost '/': received '5' but current is '6'":                                        {ttlArg, int64(6), true},
		"x-overflow' for queue 'q' in vhost '/': received 'drop-head' but current is 'reject-publish'":                      {"x-overflow", "reject-publish", true},
		"x-single-active-consumer' for queue 'q' in vhost '/': received 'true' but current is 'false'":                      {"x-single-active-consumer", false, true},
		"x-expires' for queue 'q' in vhost '/': received none but current is the value '6' of type 'signedint'":             {"x-expires", int64(6), true},
		"x-foo' for queue 'q' in vhost '/': received none but current is the value ''' of type '' of type 'longstr'":        {"x-foo", "'' of type '", true},
		"x-message-ttl' for queue 'q' in vhost '/': received the value '5' of type 'long' but current is none":              {ttlArg, nil, true},
		"x-foo' for queue 'q' in vhost '/': received none but current is the value '[{longstr,<<\"a\">>}]' of type 'array'": {"x-foo", notTold, false},
		"x-foo' for queue 'q' in vhost '/': received none but current is the value 'abc...":                                 {"x-foo", notTold, false},
		"x-foo' for queue 'q' in vhost '/': received none but current is the value 'abc' of type 'lo...":                    {"x-foo", notTold, false},
		"x-overflow' for queue 'q' in vhost '/': received 'drop-head' but current is 'rej...":                               {"x-overflow", notTold, false},
		"x-overflow' for queue 'q' in vhost '/': received 'drop-h...":                                                       {"x-overflow", notTold, false},
		"x-message-ttl' for queue 'q' in vhost '/': received '5' but current is 'six'":                                      {ttlArg, notTold, false},
		"x-message-ttl' for queue 'another' in vhost '/': received '5' but current is '6'":                                  {ttlArg, notTold, false},
		"x-mess...": {"x-mess...", notTold, false},
	} {
		got, ok := readDifference(&amqp.Error{Code: amqp.PreconditionFailed, Reason: intro + reason}, "queue 'q'", sent)
		require.True(t, ok, reason)
		require.Equal(t, want, got, reason)
	}
	for _, err := range []error{
		errors.New(intro), &amqp.Error{Code: amqp.NotFound, Reason: intro}, &amqp.Error{Code: amqp.PreconditionFailed, Reason: "invalid arg"},
	} {
		_, ok := readDifference(err, "queue 'q'", sent)
		require.False(t, ok)
	}
}

// The queue vanished between the look-up and the question.
func TestWhatCouldNotBeCreatedIsNotThere(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		"PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
		"PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/': {unacceptable_type,signedint}",
		"PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'",
	} {
		require.ErrorIs(t, refusal(&amqp.Error{Code: amqp.PreconditionFailed, Reason: reason}), errGone)
	}
	for _, code := range []int{amqp.PreconditionFailed, amqp.AccessRefused, amqp.ResourceLocked, amqp.NotFound} {
		err := refusal(&amqp.Error{Code: code, Reason: "another reason"})
		require.ErrorIs(t, err, errUnseen)
		require.ErrorContains(t, err, "another reason")
	}
	require.NotErrorIs(t, refusal(amqp.ErrClosed), errUnseen)
}

// A broker that names the same difference without end, or new ones without end, is asked a bounded
// number of times.
func TestDifferencesAreAskedForABoundedNumberOfTimes(t *testing.T) {
	t.Parallel()
	asked := 0
	refuse := func(name func() string) func() error {
		return func() error {
			asked++
			return &amqp.Error{Code: amqp.PreconditionFailed, Reason: "inequivalent arg '" + name() + "' for queue 'q' in vhost '/': received '5' but current is '6'"}
		}
	}
	v := &verification{}
	require.ErrorIs(t, v.adopt(attributes{}, "queue 'q'", "", refuse(func() string { return "same" })), errUnseen)
	require.Equal(t, 2, asked)
	asked = 0
	require.ErrorIs(t, v.adopt(attributes{}, "queue 'q'", "", refuse(func() string { return string(rune('a' + asked)) })), errUnseen)
	require.Equal(t, maxRounds, asked)
}

func TestAManagementThatIsSlowIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); server.Close() })
	n, err := parseManagement(server.URL)
	require.NoError(t, err)
	require.Equal(t, managementTimeout, n.timeout)
	n.timeout = time.Millisecond
	_, err = definitionsFrom(t.Context(), []managementNode{n}, "/", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer in 1ms")
}

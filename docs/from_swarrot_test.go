// Package docs_test holds the documents to the code.
package docs_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/cleanup"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/insomniac"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/logging"
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/maxtime"
	"github.com/gowarren/warren/processors/memorylimit"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/signals"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/processors/throttle"
	"github.com/gowarren/warren/processors/timeout"
	"github.com/gowarren/warren/processors/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("from-swarrot.md")
	require.NoError(t, err)
	return string(text)
}

func TestFromSwarrotNamesEveryProcessor(t *testing.T) {
	t.Parallel()
	text := document(t)
	entries, err := os.ReadDir("../processors")
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() {
			require.Regexp(t, "`"+e.Name()+"[`.]", text)
		}
	}
}

// swarrotOptions are all that Swarrot and its bundle have, by the names they have there.
const swarrotOptions = `
	poll_interval queue connection message_provider requeue_on_error
	retry_key_pattern retry_key_generator retry_attempts retry_log_levels_map
	retry_fail_log_levels_map retry_final_key keep_retrying retry_exchange
	retry_routing_key_pattern
	instant_retry_attempts instant_retry_delay instant_retry_log_levels_map
	max_messages max_execution_time memory_limit signal_handler_signals
	x_death_max_count x_death_max_count_log_levels_map x_death_max_count_fail_log_levels_map
	x_death_max_lifetime x_death_max_lifetime_log_levels_map
	x_death_max_lifetime_fail_log_levels_map
	doctrine_ping doctrine_close_master rpc_exchange rpc_client_correlation_id
	new_relic_app_name new_relic_license new_relic_transaction_name
	provider default_connection default_command command command_aliases logger
	publisher_logger publisher_confirm_enable publisher_confirm_timeout
	connections url host port login password vhost region ssl ssl_options verify_peer cafile
	local_cert consumers processor middleware_stack configurator first_arg_class extras
	processors_stack exclusive_processor_stack messages_types exchange routing_key
	enable_collector
	--poll-interval --max-messages --max-execution-time --retry-attempts --requeue-on-error
	--no-ack --no-catch --no-retry --no-reset`

func TestFromSwarrotNamesEveryOption(t *testing.T) {
	t.Parallel()
	text := document(t)
	for option := range strings.FieldsSeq(swarrotOptions) {
		require.Contains(t, text, "`"+option+"`")
	}
}

var errMailbox = errors.New("no such mailbox")

var nothing = processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })

func worker(b broker.Broker, handler processor.Processor) (*stack.Pipeline, error) {
	return stack.New(
		signals.New(),
		maxmessages.New(maxmessages.Max(300)),
		maxtime.New(maxtime.After(5*time.Minute)),
		memorylimit.New(256),
		// The consumer logs errors and goes on: no exception catcher.
		ack.New(),
		retry.New(b.Publisher(), "mail_retry_%attempt%",
			retry.Exchange("retry"),
			retry.Retries(3),
			retry.ParkKey("mail_parked")),
		logging.New(logging.Level(errMailbox, slog.LevelInfo)),
		// A panic is to Go what an Error is to PHP: an exception nobody expected.
		recovery.New(),
	).Then(handler)
}

func TestTheStackOfFromSwarrotIsTheOneAbove(t *testing.T) {
	t.Parallel()
	_, err := worker(memory.New(), nothing)
	require.NoError(t, err)

	source, err := os.ReadFile("from_swarrot_test.go")
	require.NoError(t, err)
	require.Contains(t, string(source), "\n"+blocks(t, "from-swarrot.md", "go")[0])
}

func TestAStackTakesTheOrderOfFromSwarrot(t *testing.T) {
	t.Parallel()
	p, err := stack.New(
		tracing.New(),
		signals.New(), maxmessages.New(), maxtime.New(), memorylimit.New(256), insomniac.New(),
		ack.New(),
		reply.New(memory.New().Publisher(), remote.JSON),
		retry.New(memory.New().Publisher(), "retry_%attempt%"),
		decode.New(),
		dedup.New(dedup.NewMemory(1, time.Hour)),
		respond.New(memory.New().Publisher()),
		throttle.New(rate.NewLimiter(1, 1)),
		breaker.New("mail server"),
		instantretry.New(),
		logging.New(),
		cleanup.New(func(context.Context, processor.Message, error) error { return nil }),
		timeout.New(time.Minute),
		sqltx.New(new(sql.DB)),
		recovery.New(),
	).Then(nothing)
	require.NoError(t, err)

	_, rest, _ := strings.Cut(document(t), "Outermost first: `tracing`")
	listed, _, found := strings.Cut("`tracing`"+rest, ", the handler")
	require.True(t, found)
	layers := p.Describe().Layers
	for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(listed, -1) {
		if name[1] == "xdeath" {
			continue // in the place of retry
		}
		require.Equal(t, layers[0].Name, name[1])
		layers = layers[1:]
	}
	require.Len(t, layers, 1, "the handler is left")
}

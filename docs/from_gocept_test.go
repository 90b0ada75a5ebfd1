package docs_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/writefiles"
	"github.com/gowarren/warren/publisher/identity"
	"github.com/gowarren/warren/publisher/readfiles"
)

// The functions below are those of from-gocept.md.

type principal struct{}

func importBody(context.Context, []byte) error { return nil }

func logMessageBody(_ context.Context, msg processor.Message) ([]respond.Result, error) {
	slog.Info(string(msg.Body()))
	return []respond.Result{{
		To: processor.Destination{Exchange: "amq.topic", RoutingKey: "test.thank.messages"},
		Envelope: processor.Envelope{
			Body:       []byte("Thank you for your message."),
			Properties: processor.Properties{ContentType: "text/plain"},
		},
	}}, nil
}

func run(ctx context.Context, file string) error {
	cfg, err := config.Load(file, config.Requires[time.Duration]("imports.timeout"))
	if err != nil {
		return err
	}
	slog.SetDefault(cfg.Logger(os.Stderr))
	b, err := rabbitmq.Open(ctx, cfg.Brokers())
	if err != nil {
		return err
	}
	return service.Run(cfg.Context(ctx), b, service.OwnBroker(), service.Consumers(cfg.Consumer()...),
		service.Handler{
			Queue: broker.Queue{Name: "test.queue", Type: broker.Quorum},
			Keys:  []string{"test.routing", "test.other"}, // of amq.topic
			Stack: stack.New(
				ack.New(),
				retry.New(b.Publisher(), "test.queue_retry_%delay%", retry.Delays(30*time.Second, 3*time.Minute), retry.ParkKey("test.queue_parked")),
				respond.New(b.Publisher()),
				recovery.New(),
			),
			Handle: respond.Handler(logMessageBody),
		},
	)
}

func handle(ctx context.Context, msg processor.Message) error {
	timeout, err := config.Setting[time.Duration](ctx, "imports.timeout")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return importBody(ctx, msg.Body())
}

func send(ctx context.Context, b broker.Broker) error {
	s, err := service.New(b, service.Identity(identity.AppID("shop")))
	if err != nil {
		return err
	}
	return s.Send(ctx, processor.Destination{Exchange: "amq.topic", RoutingKey: "test.routing"}, processor.Envelope{Body: []byte("hello")})
}

func asPrincipal(id string) consumer.Option {
	return consumer.MessageContext(func(ctx context.Context, _ processor.Message) (context.Context, error) {
		return context.WithValue(ctx, principal{}, id), nil
	})
}

func writeFiles(p processor.Publisher) service.Handler {
	return service.Handler{
		Queue:  broker.Queue{Name: "test.queue", Type: broker.Quorum}, // x-ha-policy is gone from RabbitMQ: a quorum queue has copies
		Keys:   []string{"test.foo", "test.bar"},
		Stack:  stack.New(ack.New(), retry.New(p, "files_retry_%delay%", retry.Delays(time.Minute), retry.ParkKey("files_parked")), recovery.New()),
		Handle: writefiles.Handler("/path/to/output-directory", writefiles.Pattern("${routing_key}/${date}/${msgid}-${unique}.xml")),
	}
}

func readFiles(p processor.Publisher) (*readfiles.Reader, error) {
	return readfiles.New("/path/to/input-directory", p, processor.Destination{Exchange: "amq.topic", RoutingKey: "test.data"},
		readfiles.ContentType("text/xml"))
}

// gocept is the document.
func gocept(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("from-gocept.md")
	require.NoError(t, err)
	return string(text)
}

func TestTheCodeOfFromGoceptIsTheOneAbove(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("from_gocept_test.go")
	require.NoError(t, err)
	shown := blocks(t, "from-gocept.md", "go")
	require.Len(t, shown, 7)
	for _, code := range shown {
		require.Contains(t, string(source), "\n"+code)
	}
}

func TestTheFilesOfFromGoceptAreRead(t *testing.T) {
	t.Parallel()
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("s3cret\n"), 0o600))
	shown := blocks(t, "from-gocept.md", "yaml")
	require.Len(t, shown, 2)
	for _, text := range shown {
		var read, write []map[string]any // examples/bridge has a test of its own
		cfg, err := config.Parse("worker.yaml", []byte(strings.ReplaceAll(text, "/run/secrets/rabbitmq", password)), config.Environ([]string{}),
			config.Section("read", &read), config.Section("write", &write))
		require.NoError(t, err)
		require.Equal(t, "amqp://guest:s3cret@localhost/", cfg.Brokers()[0])
	}
}

// goceptParts are all that gocept.amqprun's documentation names.
const goceptParts = `
	declare arguments principal <utility> <configure> <include> meta.zcml Message header body routing_key
	x-ha-policy amq.topic Server.send() Parameters start_server references
	<amqp-server> hostname username password virtual_host <worker> amount component-configuration <eventlog> level <logfile>
	path formatter <settings> ISettings deployment zcml app server AMQP_HOSTNAME AMQP_USERNAME AMQP_PASSWORD
	AMQP_VIRTUALHOST [security] [writefiles] [readfiles] <amqp:writefiles> queue_name directory pattern ${variable}
	{variable} date msgid unique ${routing_key}-${unique} zope.xmlpickle <amqp:readfiles> new cur X-Filename`

func TestFromGoceptNamesEveryPart(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(gocept(t), "## Every part")
	require.True(t, found)
	for part := range strings.FieldsSeq(goceptParts) {
		require.Contains(t, table, "`"+part+"`")
	}
}

// The handler, its settings and its principal, as one service.
func TestTheServiceOfFromGocept(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("worker.yaml", []byte("brokers: [amqp://localhost/]\nsettings: {imports.timeout: 30s}"), config.Environ([]string{}))
	require.NoError(t, err)
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
	who := make(chan any, 1)
	s, err := service.New(b, service.Signals(), service.Consumers(cfg.Consumer()...),
		service.Handler{
			Queue: broker.Queue{Name: "test.queue", Type: broker.Quorum},
			Keys:  []string{"test.routing", "test.other"},
			Stack: stack.New(ack.New(), retry.New(b.Publisher(), "retry_%delay%", retry.Delays(time.Minute), retry.ParkKey("parked")), recovery.New()),
			Handle: processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
				who <- ctx.Value(principal{})
				return handle(ctx, msg)
			}),
			Options: []consumer.Option{asPrincipal("editor")},
		},
		service.Handler{
			Queue:  broker.Queue{Name: "thanks", Type: broker.Quorum},
			Keys:   []string{"test.thank.#"},
			Stack:  stack.New(ack.New(), retry.New(b.Publisher(), "thanks_%delay%", retry.Delays(time.Minute), retry.ParkKey("thanks_parked")), respond.New(b.Publisher()), recovery.New()),
			Handle: respond.Handler(logMessageBody),
		},
	)
	require.NoError(t, err)
	_, err = service.New(b, writeFiles(b.Publisher()))
	require.NoError(t, err)
	_, err = readFiles(s.Publisher())
	require.NoError(t, err)
	ctx, end := context.WithCancel(cfg.Context(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	require.NoError(t, send(t.Context(), b))
	require.Equal(t, "editor", <-who)
	end()
	require.NoError(t, <-ended)
	require.EqualValues(t, 1, s.States()[0].Stats.Done)
	require.ErrorIs(t, run(t.Context(), "nowhere.yaml"), os.ErrNotExist)
}

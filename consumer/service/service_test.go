package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/identity"
)

// Two handlers, of which one retries: what its layers need is declared, and nothing is written twice.
func TestHandlersRunTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var mails []string
		attempts := 0
		send := func(_ context.Context, to string, _ processor.Message) error {
			if attempts++; attempts < 3 {
				return errors.New("451 try again later")
			}
			mails = append(mails, to)
			return nil
		}
		s := newService(t, b,
			service.Handler{
				Queue: broker.Queue{Name: "mail", Type: broker.Quorum},
				Keys:  []string{"mail.#"},
				Stack: stack.New(ack.New(), retry.New(b.Publisher(), "mail_retry_%delay%",
					retry.Delays(30*time.Second, 3*minute), retry.ParkKey("mail_parked")), recovery.New()),
				Handle:  processor.Typed(json.Unmarshal, send),
				Workers: 8,
			},
			queue("audit", nothing))
		require.False(t, isReady(s))
		end := started(t, s)
		synctest.Wait()
		require.True(t, isReady(s))
		require.Equal(t, map[string]service.Phase{"mail": service.Consuming, "audit": service.Consuming}, phases(s))
		require.NoError(t, s.Health())

		require.NoError(t, s.Send(t.Context(), processor.Destination{Exchange: "amq.topic", RoutingKey: "mail.new"}, processor.Envelope{Body: []byte(`"anna"`)}))
		post(t, b, "audit")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"anna"}, mails)
		require.Equal(t, 3, attempts)
		require.Equal(t, uint64(3), s.States()[0].Stats.Done)
		require.Equal(t, uint64(1), s.States()[1].Stats.Received)

		require.NoError(t, end())
		require.Equal(t, map[string]service.Phase{"mail": service.Stopped, "audit": service.Stopped}, phases(s))
		require.ErrorIs(t, s.Run(t.Context()), service.ErrRan)
		require.NoError(t, b.Close(t.Context()))
	})
}

type principal struct{}

// As gocept.amqprun declares a handler: several routing keys, arguments of the queue, and a principal.
func TestAHandlerIsDeclaredWithKeysArgumentsAndAPrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var got []string
		s := newService(t, b, service.Handler{
			Queue: broker.Queue{Name: "test.queue", Arguments: processor.Headers{"x-max-length": 1000}},
			Keys:  []string{"test.routing", "test.other"},
			Stack: stack.New(ack.New(), recovery.New()),
			Handle: processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
				got = append(got, fmt.Sprint(ctx.Value(principal{}), " ", msg.Origin().RoutingKey))
				return nil
			}),
			Options: []consumer.Option{consumer.MessageContext(func(ctx context.Context, _ processor.Message) (context.Context, error) {
				return context.WithValue(ctx, principal{}, "system.mailer"), nil
			})},
		})
		require.Equal(t, broker.Topology{
			Queues: []broker.Queue{{Name: "test.queue", Arguments: processor.Headers{"x-max-length": 1000}}},
			Bindings: []broker.Binding{
				{Exchange: "amq.topic", Queue: "test.queue", RoutingKey: "test.routing"},
				{Exchange: "amq.topic", Queue: "test.queue", RoutingKey: "test.other"},
			},
		}, s.Topology())
		end := started(t, s)
		synctest.Wait()
		for _, key := range []string{"test.routing", "test.other"} {
			require.NoError(t, s.Send(t.Context(), processor.Destination{Exchange: "amq.topic", RoutingKey: key}, processor.Envelope{}))
		}
		require.ErrorIs(t, s.Send(t.Context(), processor.Destination{Exchange: "amq.topic", RoutingKey: "test"}, processor.Envelope{}), processor.ErrUnroutable)
		synctest.Wait()
		require.Equal(t, []string{"system.mailer test.routing", "system.mailer test.other"}, got)
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

// Options for all handlers, and one of a handler's own in their place.
func TestAHandlersOptionsCountMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		as := func(name string) consumer.Option {
			return consumer.MessageContext(func(ctx context.Context, _ processor.Message) (context.Context, error) {
				return context.WithValue(ctx, principal{}, name), nil
			})
		}
		b := memory.New()
		seen := make(chan string, 2)
		handler := func(name string, opts ...consumer.Option) service.Handler {
			h := queue(name, func(ctx context.Context, _ processor.Message) error {
				seen <- fmt.Sprint(name, " as ", ctx.Value(principal{}))
				return nil
			})
			h.Options = opts
			return h
		}
		end := started(t, newService(t, b, service.Consumers(as("nobody")), handler("a"), handler("b", as("boss"))))
		synctest.Wait()
		post(t, b, "a", "b")
		require.ElementsMatch(t, []string{"a as nobody", "b as boss"}, []string{<-seen, <-seen})
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

// A process without handlers sends, with what identity adds.
func TestAServiceSendsWithoutHandlers(t *testing.T) {
	t.Parallel()
	b := memory.New()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	s := newService(t, b, service.Identity(identity.AppID("shop")))
	require.NoError(t, s.Send(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte("hello")}))
	sub, err := b.Source("mail").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	msg, err := sub.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "shop", msg.Properties().AppID)
	require.True(t, strings.HasPrefix(msg.Properties().ID, "<"), msg.Properties().ID)
	require.NoError(t, sub.Close(t.Context()))
	require.ErrorContains(t, s.Run(t.Context()), "there is no handler")
	require.NoError(t, b.Close(t.Context()))
}

// A queue with nothing but a name takes what another handler says of it.
func TestAHandlerReadsWhatAnotherParks(t *testing.T) {
	t.Parallel()
	b := memory.New()
	parks := service.Handler{
		Queue:  broker.Queue{Name: "mail", Type: broker.Quorum},
		Stack:  stack.New(ack.New(), retry.New(b.Publisher(), "", retry.Retries(0), retry.ParkKey("mail_parked")), recovery.New()),
		Handle: processor.ProcessorFunc(nothing),
	}
	s := newService(t, b, queue("mail_parked", nothing), parks, queue("extra", nothing),
		service.Topology(broker.Topology{Queues: []broker.Queue{{Name: "extra", MaxLength: 5}}}))
	require.Len(t, s.Topology().Queues, 3)
	for _, q := range s.Topology().Queues {
		switch q.Name {
		case "mail_parked":
			require.Equal(t, broker.HighDeliveryLimit, q.DeliveryLimit)
		case "extra":
			require.Equal(t, 5, q.MaxLength)
		}
	}
	contradicts := queue("mail_parked", nothing)
	contradicts.Queue.MaxLength = 7
	_, err := service.New(b, parks, contradicts)
	require.ErrorIs(t, err, broker.ErrMismatch)
	for _, says := range []string{`"mail"`, `"mail_parked"`, "nothing but a name"} {
		require.ErrorContains(t, err, says)
	}
	require.NoError(t, b.Close(t.Context()))
}

func TestWhatCannotRunIsRefusedBeforeAnythingIsDeclared(t *testing.T) {
	t.Parallel()
	on := func(x broker.Exchange, keys ...string) service.Handler {
		h := queue("mail", nothing)
		h.Exchange, h.Keys = x, keys
		return h
	}
	workers := func(n, prefetch int) service.Handler {
		h := queue("mail", nothing)
		h.Workers, h.Prefetch = n, prefetch
		return h
	}
	for name, tc := range map[string]struct {
		opts []service.Option
		says []string
	}{
		"a queue twice":      {[]service.Option{queue("mail", nothing), queue("b", nothing), queue("mail", nothing)}, []string{`handlers 1 and 3 both have the queue "mail"`, "mux"}},
		"no queue":           {[]service.Option{queue("", nothing)}, []string{"handler 1 has no queue"}},
		"no handler":         {[]service.Option{service.Handler{Queue: broker.Queue{Name: "mail"}}}, []string{`"mail"`, "handler is nil"}},
		"a wrong order":      {[]service.Option{service.Handler{Queue: broker.Queue{Name: "mail"}, Stack: stack.New(recovery.New(), ack.New()), Handle: processor.ProcessorFunc(nothing)}}, []string{`"mail"`, "put ack outside recovery"}},
		"a nil option":       {[]service.Option{nil}, []string{"option 3 is nil"}},
		"too few in flight":  {[]service.Option{workers(5, 2)}, []string{`"mail"`, "Prefetch(2) is below Workers(5)"}},
		"workers below none": {[]service.Option{workers(-1, 0)}, []string{`"mail"`, "Workers(-1)"}},
		"an exchange alone":  {[]service.Option{on(broker.Exchange{Name: "mails"})}, []string{`"mails"`, "add Keys"}},
		"a kind alone":       {[]service.Option{on(broker.Exchange{Kind: broker.Topic}, "a")}, []string{"no Name"}},
		"headers":            {[]service.Option{on(broker.Exchange{Name: "h", Kind: broker.HeadersKind}, "a")}, []string{"service.Topology"}},
		"headers, no keys":   {[]service.Option{on(broker.Exchange{Name: "h", Kind: broker.HeadersKind})}, []string{"service.Topology"}},
		"restart or stop":    {[]service.Option{service.StopTogether(), service.Restart(time.Second, minute)}, []string{"keep one of them"}},
		"a wait of nothing":  {[]service.Option{service.Restart(0, minute)}, []string{"Restart", "positive"}},
		"a falling wait":     {[]service.Option{service.Restart(minute, time.Second)}, []string{"below the first"}},
		"beside a queue":     {[]service.Option{queue("mail", nothing), service.Beside("mail", func(context.Context) error { return nil })}, []string{`Beside("mail")`, "name of its own"}},
		"beside, nothing":    {[]service.Option{service.Beside("x", nil)}, []string{"give it a function"}},
		"a nil signal":       {[]service.Option{service.Signals(nil)}, []string{"signal 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSpy()
			err := service.Run(t.Context(), b, append([]service.Option{quiet, service.OwnBroker()}, tc.opts...)...)
			for _, says := range tc.says {
				require.ErrorContains(t, err, says)
			}
			declared, closed := b.times()
			require.Zero(t, declared)
			require.Equal(t, 1, closed, "an owned broker is closed in any case")
		})
	}
	for _, none := range []broker.Broker{nil, (*memory.Broker)(nil)} {
		require.ErrorContains(t, service.Run(t.Context(), none, queue("mail", nothing), service.OwnBroker()), "the broker is nil")
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		exchange  broker.Exchange
		keys      []string
		exchanges []broker.Exchange
		bindings  []broker.Binding
	}{
		"none":             {},
		"amq.topic":        {broker.Exchange{}, []string{"a", "a", "b"}, nil, []broker.Binding{{Exchange: "amq.topic", Queue: "mail", RoutingKey: "a"}, {Exchange: "amq.topic", Queue: "mail", RoutingKey: "b"}}},
		"there already":    {broker.Exchange{Name: "mails"}, []string{"a"}, nil, []broker.Binding{{Exchange: "mails", Queue: "mail", RoutingKey: "a"}}},
		"declared":         {broker.Exchange{Name: "mails", Kind: broker.Direct}, []string{"a"}, []broker.Exchange{{Name: "mails", Kind: broker.Direct}}, []broker.Binding{{Exchange: "mails", Queue: "mail", RoutingKey: "a"}}},
		"fanout":           {broker.Exchange{Name: "all", Kind: broker.Fanout}, nil, []broker.Exchange{{Name: "all", Kind: broker.Fanout}}, []broker.Binding{{Exchange: "all", Queue: "mail"}}},
		"amq.fanout":       {broker.Exchange{Name: "amq.fanout"}, nil, nil, []broker.Binding{{Exchange: "amq.fanout", Queue: "mail"}}},
		"the broker's own": {broker.Exchange{Name: "amq.direct", Kind: broker.Direct}, []string{"a"}, nil, []broker.Binding{{Exchange: "amq.direct", Queue: "mail", RoutingKey: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := queue("mail", nothing)
			h.Exchange, h.Keys = tc.exchange, tc.keys
			s := newService(t, memory.New(), h)
			require.Equal(t, broker.Topology{Exchanges: tc.exchanges, Queues: []broker.Queue{{Name: "mail"}}, Bindings: tc.bindings}, s.Topology())
		})
	}
}

// Each of these was ignored, and messages went elsewhere than was said.
func TestAnExchangeThatContradictsItself(t *testing.T) {
	t.Parallel()
	for problem, x := range map[string]broker.Exchange{
		"no Name: give it one": {Kind: broker.Fanout},
		"has no Name":          {Transient: true, Alternate: "lost"},
		`has Kind "fanout", and the broker's own is`:      {Name: "amq.topic", Kind: broker.Fanout},
		`has Kind "topic", and the broker's own is`:       {Name: "amq.direct", Kind: broker.Topic},
		"is the broker's own and is not declared":         {Name: "amq.topic", Kind: broker.Topic, Alternate: "lost"},
		"the broker's own and is not declared: give":      {Name: "amq.fanout", Internal: true},
		"has no Kind, so it is not declared: give it one": {Name: "events", Alternate: "lost"},
		"names that begin with amq. are the broker's own": {Name: "amq.other", Kind: broker.Topic},
		`"amq.headers" routes by headers, and Keys have`:  {Name: "amq.headers"},
		`"amq.match" routes by headers, and Keys have`:    {Name: "amq.match"},
	} {
		h := queue("mail", nothing)
		h.Exchange, h.Keys = x, []string{"a"}
		_, err := service.New(memory.New(), h)
		require.ErrorContains(t, err, problem)
	}
}

// A message that is given up has to go somewhere: the log says where none does.
func TestAQueueThatDropsIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, text := memory.New(), &log{}
		keeps := queue("keeps", nothing)
		keeps.Queue.DeadLetter = &broker.DeadLetter{RoutingKey: "dead"}
		s := newService(t, b, text.option(), queue("drops", nothing), keeps)
		end := started(t, s)
		synctest.Wait()
		require.Contains(t, text.String(), `queue \"drops\" has no dead-letter exchange: messages are dropped when they are given up`)
		require.NotContains(t, text.String(), "keeps")
		require.Contains(t, text.String(), "service is consuming")
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

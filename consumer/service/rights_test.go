//go:build unix

package service_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// With the rights that docs/operations.md lists, and no more, a service declares, verifies, retries and parks.
func TestTheRightsThatAServiceNeeds(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	fails := processor.ProcessorFunc(func(context.Context, processor.Message) error { return errors.New("no") })
	for user, tc := range map[string]struct {
		configure, write, read string
		exchange               broker.Exchange
		layer                  func(processor.Publisher) processor.Middleware
	}{
		"retry": {
			`^(mail|mail_.*)$`, `^(mail|mail_.*|amq\.default|amq\.fanout)$`, `^(mail|mail_.*|amq\.direct)$`,
			broker.Exchange{Name: "mail", Kind: broker.Topic},
			func(p processor.Publisher) processor.Middleware {
				return retry.New(p, "mail_retry_%delay%", retry.Delays(10*time.Millisecond), retry.ParkKey("mail_parked"))
			},
		},
		"backoff": {
			`^(sums|sums_.*|warren\.delay\..*)$`, `^(sums|sums_.*|amq\.default|amq\.fanout|warren\.delay\..*)$`, `^(sums|sums_.*|amq\.direct|warren\.delay\..*)$`,
			broker.Exchange{Name: "sums", Kind: broker.Topic},
			func(p processor.Publisher) processor.Middleware {
				return backoff.New(p, "sums", backoff.Schedule(backoff.Fixed(100*time.Millisecond)), backoff.Retries(1),
					backoff.Park(processor.Destination{RoutingKey: "sums_parked"}))
			},
		},
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			node.AddUser(t, user, "secret")
			node.Permit(t, user, "/", tc.configure, tc.write, tc.read)
			b := open(t, node.URLFor(user, "secret", "/"))
			name := tc.exchange.Name
			s, err := service.New(b, service.OwnBroker(), service.Signals(),
				service.Verify(func(ctx context.Context, planned broker.Topology) error {
					report, err := verify.Topology(ctx, b, planned)
					return errors.Join(err, report.Err())
				}),
				service.Handler{
					Queue: broker.Queue{Name: name, Type: broker.Quorum}, Exchange: tc.exchange, Keys: []string{"#"},
					Stack:  stack.New(ack.New(), tc.layer(b.Publisher()), recovery.New()),
					Handle: fails,
				})
			require.NoError(t, err)
			end := started(t, s)
			<-s.Ready()
			require.NoError(t, s.Send(t.Context(), processor.Destination{Exchange: name, RoutingKey: "new"}, processor.Envelope{Body: []byte("1")}))
			require.Eventually(t, func() bool { n, err := b.Ready(t.Context(), name+"_parked"); return err == nil && n == 1 }, 20*time.Second, 10*time.Millisecond)
			require.NoError(t, b.Health())
			require.NoError(t, end())
		})
	}
}

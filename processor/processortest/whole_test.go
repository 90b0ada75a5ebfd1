package processortest_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
)

// The suite failed the README's own ack, retry and recovery: a message whose handler panics is acked
// there, since a copy of it is published.
func TestAWholeStackThatRecoversPasses(t *testing.T) { //nolint:paralleltest // the suite counts allocations
	quiet := slog.New(slog.DiscardHandler)
	parked := processor.Destination{RoutingKey: "mail_parked"}
	for name, retries := range map[string]func(processor.Publisher) processor.Middleware{
		"retry": func(p processor.Publisher) processor.Middleware {
			return retry.New(p, "mail_retry_%attempt%", retry.ParkKey("mail_parked"), retry.KeepTrying(0), retry.Logger(quiet))
		},
		"retry, without a park key": func(p processor.Publisher) processor.Middleware {
			return retry.New(p, "mail_retry_%attempt%", retry.KeepTrying(0), retry.Logger(quiet))
		},
		"backoff": func(p processor.Publisher) processor.Middleware {
			return backoff.New(p, "test-queue", backoff.Park(parked), backoff.KeepTrying(0), backoff.Logger(quiet))
		},
		"redelivery": func(p processor.Publisher) processor.Middleware {
			return redelivery.New(p, "mail_parked", redelivery.KeepTrying(0), redelivery.Logger(quiet))
		},
		"xdeath": func(p processor.Publisher) processor.Middleware {
			return xdeath.New(xdeath.Park(p, parked), xdeath.Logger(quiet))
		},
	} {
		for _, fails := range []bool{false, true} {
			layers := func() []processor.Middleware {
				pub := &processortest.Publisher{}
				if fails {
					pub.FailWith(processor.ErrRefused)
				}
				return []processor.Middleware{ack.New(), retries(pub), recovery.New(recovery.Logger(quiet))}
			}
			for how, whole := range map[string]func(tb testing.TB) processor.Middleware{
				"by hand": func(testing.TB) processor.Middleware {
					return func(next processor.Processor) processor.Processor {
						all := layers()
						return all[0](all[1](all[2](next)))
					}
				},
				"as a pipeline": func(tb testing.TB) processor.Middleware {
					tb.Helper()
					return func(next processor.Processor) processor.Processor {
						p, err := stack.New(layers()...).Then(next)
						require.NoError(tb, err)
						return p
					}
				},
			} {
				t.Run(fmt.Sprintf("%s/%s/publishing fails %t", name, how, fails), func(t *testing.T) {
					processortest.TestMiddleware(t, processortest.Contract{
						New: whole, Settles: true, Absorbs: true, Recovers: true, RepublishFails: fails,
					})
				})
			}
		}
	}
}

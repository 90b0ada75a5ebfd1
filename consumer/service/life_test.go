package service_test

import (
	"context"
	"errors"
	"sync/atomic"
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
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/maxtime"
	"github.com/gowarren/warren/processors/memorylimit"
)

func TestAHandlerThatFailsLeavesTheOthersRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var others atomic.Int64
		s := newService(t, b, queue("fails", stops), queue("works", func(context.Context, processor.Message) error { others.Add(1); return nil }))
		end := started(t, s)
		synctest.Wait()
		post(t, b, "fails", "works")
		time.Sleep(minute)
		synctest.Wait()
		require.Equal(t, map[string]service.Phase{"fails": service.Failed, "works": service.Consuming}, phases(s))
		err := s.Health()
		require.ErrorIs(t, err, service.ErrUnhealthy)
		require.ErrorIs(t, err, errMail)
		require.ErrorContains(t, err, `handler "fails"`)
		require.NotContains(t, err.Error(), "works")
		require.ErrorIs(t, s.States()[0].Err, errMail)
		require.Equal(t, minute, time.Since(s.States()[0].Since))
		post(t, b, "works")
		synctest.Wait()
		require.Equal(t, int64(2), others.Load())

		err = end()
		require.ErrorIs(t, err, errMail, "also after a regular end")
		require.ErrorContains(t, err, `handler "fails"`)
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestWhenAllHaveFailedRunReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := newService(t, b, queue("a", stops), queue("b", stops))
		end := make(chan error, 1)
		go func() { end <- s.Run(t.Context()) }()
		synctest.Wait()
		post(t, b, "a")
		time.Sleep(minute)
		synctest.Wait()
		post(t, b, "b")
		err := <-end
		require.ErrorIs(t, err, errMail)
		require.ErrorContains(t, err, `handler "a"`)
		require.ErrorContains(t, err, `handler "b"`)
		require.NoError(t, b.Close(t.Context()))
	})
}

// The others drain: what is in flight is finished.
func TestStopTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		finished := false
		s := newService(t, b, service.StopTogether(), queue("fails", stops),
			queue("slow", func(context.Context, processor.Message) error {
				time.Sleep(10 * time.Second)
				synctest.Wait()
				finished = true
				return nil
			}))
		end := make(chan error, 1)
		go func() { end <- s.Run(t.Context()) }()
		synctest.Wait()
		post(t, b, "slow")
		synctest.Wait()
		post(t, b, "fails")
		synctest.Wait()
		require.Equal(t, service.Draining, phases(s)["slow"])
		require.ErrorIs(t, <-end, errMail)
		require.True(t, finished)
		require.NoError(t, b.Close(t.Context()))
	})
}

// life is a layer with the state of one run.
type once struct {
	processor.Processor
	starts *atomic.Int64
	begun  bool
	fail   error
}

func (o *once) Start(context.Context) error {
	if o.begun {
		return errors.New("the layer is used for a second run")
	}
	o.begun = true
	o.starts.Add(1)
	return o.fail
}

func (o *once) Stop(context.Context) error { o.starts.Add(-1000); return nil }

func TestAHandlerIsStartedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newSpy()
		var starts atomic.Int64
		var failed []time.Time
		h := queue("mail", func(context.Context, processor.Message) error {
			if failed = append(failed, time.Now()); len(failed) < 4 {
				return processor.Stop(errMail)
			}
			return nil
		})
		built := 0
		h.Stack = stack.New(func(next processor.Processor) processor.Processor {
			built++
			return &once{Processor: next, starts: &starts}
		}, ack.New(ack.RequeueOnError()))
		s := newService(t, b, service.Restart(8*time.Second, 16*time.Second), h)
		end := started(t, s)
		synctest.Wait()
		post(t, b, "mail")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, map[string]service.Phase{"mail": service.Restarting}, phases(s))
		require.ErrorIs(t, s.Health(), errMail)
		time.Sleep(minute)
		synctest.Wait()
		require.Len(t, failed, 4)
		for i, most := range []time.Duration{8 * time.Second, 16 * time.Second, 16 * time.Second} {
			wait := failed[i+1].Sub(failed[i])
			require.GreaterOrEqual(t, wait, most/2)
			require.LessOrEqual(t, wait, most+time.Second)
		}
		state := s.States()[0]
		require.Equal(t, service.Consuming, state.Phase)
		require.Equal(t, 3, state.Restarts)
		require.Equal(t, uint64(4), state.Stats.Received, "of all runs")
		require.ErrorIs(t, state.Err, errMail, "the last one is kept")
		require.NoError(t, s.Health())
		require.Equal(t, int64(4-3000), starts.Load(), "a layer for each run")
		require.Equal(t, 4, built, "and none for nothing")
		declared, _ := b.times()
		require.Equal(t, 4, declared, "the queue may be why it failed")
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestShutdownCutsTheWaitForARestartShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := newService(t, b, service.Restart(time.Hour, time.Hour), queue("fails", stops), queue("works", nothing))
		end := started(t, s)
		synctest.Wait()
		post(t, b, "fails")
		time.Sleep(minute)
		synctest.Wait()
		require.Equal(t, service.Restarting, phases(s)["fails"])
		begun := time.Now()
		require.NoError(t, end())
		require.Zero(t, time.Since(begun))
		require.Equal(t, service.Stopped, phases(s)["fails"])
		require.NoError(t, b.Close(t.Context()))
	})
}

// A failed start undoes the rest: nothing consumes, no layer is left started. What was declared stays.
func TestAFailedStartLeavesNothingHalfStarted(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]service.Option{"once": nil, "also with Restart": {service.Restart(time.Second, minute)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				var starts atomic.Int64
				layer := func(fail error) processor.Middleware {
					return func(next processor.Processor) processor.Processor {
						return &once{Processor: next, starts: &starts, fail: fail}
					}
				}
				good, bad := queue("good", nothing), queue("bad", nothing)
				good.Stack = stack.New(layer(nil), ack.New())
				bad.Stack = stack.New(layer(errMail), ack.New())
				s := newService(t, b, append(opts, good, bad)...)
				err := s.Run(t.Context())
				require.ErrorIs(t, err, errMail)
				require.ErrorContains(t, err, `handler "bad"`)
				require.False(t, isReady(s))
				require.Equal(t, int64(2-1000), starts.Load(), "the one that was started is stopped")
				require.Equal(t, map[string]service.Phase{"good": service.Stopped, "bad": service.Failed}, phases(s))
				_, err = b.Ready(t.Context(), "bad")
				require.NoError(t, err, "its queue is declared")
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

func TestOneThatEndsRegularlyLeavesTheOthersRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := newService(t, b, service.Restart(time.Second, minute),
			queue("ends", func(context.Context, processor.Message) error { return processor.ErrStop }), queue("works", nothing))
		end := started(t, s)
		synctest.Wait()
		post(t, b, "ends")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, map[string]service.Phase{"ends": service.Stopped, "works": service.Consuming}, phases(s))
		require.NoError(t, s.Health())
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

// The sources end: there is nothing more to do, and nothing to restart.
func TestABrokerThatClosesEndsTheService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := newService(t, b, service.Restart(time.Second, minute), queue("a", nothing), queue("b", nothing))
		end := make(chan error, 1)
		go func() { end <- s.Run(t.Context()) }()
		synctest.Wait()
		require.NoError(t, b.Close(t.Context()))
		require.NoError(t, <-end)
		require.Equal(t, map[string]service.Phase{"a": service.Stopped, "b": service.Stopped}, phases(s))
	})
}

// All drain at once, under one deadline.
func TestOneDrainDeadlineForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		waits := func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return ctx.Err() }
		s := newService(t, b, service.Consumers(consumer.DrainTimeout(7*time.Second)), queue("a", waits), queue("b", waits), queue("c", waits))
		end := started(t, s)
		synctest.Wait()
		post(t, b, "a", "b", "c")
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, end())
		require.Equal(t, 7*time.Second, time.Since(begun))
		for _, q := range []string{"a", "b", "c"} {
			n, err := b.Ready(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, 1, n, "it goes back")
		}
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestAbortEndsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		waits := func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return ctx.Err() }
		s := newService(t, b, queue("a", waits), queue("b", waits))
		end := make(chan error, 1)
		go func() { end <- s.Run(t.Context()) }()
		synctest.Wait()
		post(t, b, "a", "b")
		synctest.Wait()
		begun := time.Now()
		s.End()
		time.Sleep(time.Second)
		synctest.Wait()
		s.Abort()
		require.NoError(t, <-end)
		require.Equal(t, time.Second, time.Since(begun))
		s.Abort()
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestAServiceThatWasEndedBeforeItRuns(t *testing.T) {
	t.Parallel()
	b := newSpy()
	b.declare = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	s := newService(t, b, queue("a", nothing))
	s.End()
	require.NoError(t, s.Run(t.Context()))
	require.False(t, isReady(s))
}

// What runs beside lives as a handler does.
func TestBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		runs := 0
		ended := false
		s := newService(t, b, service.Restart(time.Second, minute), queue("works", nothing),
			service.Beside("fails once", func(ctx context.Context) error {
				if runs++; runs == 1 {
					return errMail
				}
				<-ctx.Done()
				ended = true
				return ctx.Err()
			}))
		end := started(t, s)
		synctest.Wait()
		require.True(t, isReady(s))
		require.ErrorContains(t, s.Health(), `handler "fails once"`)
		time.Sleep(minute)
		synctest.Wait()
		require.NoError(t, s.Health())
		require.Equal(t, 1, s.States()[1].Restarts)
		require.NoError(t, end())
		require.True(t, ended)
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestWhatRunsBesideIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := newService(t, b, queue("works", nothing), service.Beside("deaf", func(context.Context) error { time.Sleep(time.Hour); return nil }))
		end := started(t, s)
		synctest.Wait()
		begun := time.Now()
		require.ErrorIs(t, end(), consumer.ErrAbandoned)
		require.Equal(t, consumer.DefaultDrainTimeout+time.Second, time.Since(begun))
		time.Sleep(time.Hour)
		require.NoError(t, b.Close(t.Context()))
	})
}

// It drains for as long as the handlers do, and an abort ends its wait too.
func TestWhatRunsBesideHasTheDrainTimeoutOfTheHandlers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		drain time.Duration
		abort bool
		takes time.Duration
	}{
		"long":    {2 * time.Minute, false, 90 * time.Second},
		"none":    {0, false, time.Second},
		"aborted": {2 * time.Minute, true, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				s := newService(t, b, queue("works", nothing), service.Consumers(consumer.DrainTimeout(tc.drain)),
					service.Beside("drains", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(90 * time.Second); return nil }))
				end := started(t, s)
				synctest.Wait()
				begun := time.Now()
				if tc.abort {
					s.Abort()
				}
				err := end()
				require.Equal(t, tc.takes, time.Since(begun))
				if tc.takes == time.Second {
					require.ErrorIs(t, err, consumer.ErrAbandoned)
				} else {
					require.NoError(t, err)
				}
				time.Sleep(time.Hour)
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

// A service of files and relays alone has the drain timeout of its consumers' options.
func TestWhatRunsBesideDrainsWithoutHandlersToo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts  []service.Option
		takes time.Duration
	}{
		"default": {nil, consumer.DefaultDrainTimeout - time.Second},
		"set":     {[]service.Option{service.Consumers(consumer.DrainTimeout(minute))}, minute - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				drains := service.Beside("drains", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(tc.takes); return nil })
				end := started(t, newService(t, b, append(tc.opts, drains)...))
				synctest.Wait()
				require.NoError(t, end())
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

// A handler that has failed and waits for its subscription is not healthy.
func TestAHandlerThatIsStartedAgainIsHealthyWhenItConsumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		runs, hold := 0, make(chan struct{})
		hangs := func(next processor.Processor) processor.Processor {
			return &starter{next, func(context.Context) error {
				if runs++; runs == 2 {
					<-hold
				}
				return nil
			}}
		}
		s := newService(t, b, service.Restart(time.Second, minute), service.Handler{
			Queue: broker.Queue{Name: "fails"}, Stack: stack.New(hangs, ack.New()),
			Handle: processor.ProcessorFunc(func(context.Context, processor.Message) error { return processor.Stop(errMail) }),
		})
		end := started(t, s)
		synctest.Wait()
		require.NoError(t, s.Send(t.Context(), processor.Destination{RoutingKey: "fails"}, processor.Envelope{}))
		time.Sleep(minute)
		require.Equal(t, service.Starting, s.States()[0].Phase)
		require.ErrorIs(t, s.Health(), errMail)
		close(hold)
		synctest.Wait()
		require.NoError(t, s.Health())
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

var _ broker.Broker = (*spy)(nil)

// cursed has methods that panic, as those of a typed nil pointer do.
type cursed struct{ inner error }

func (c *cursed) Error() string { return c.inner.Error() }
func (c *cursed) Unwrap() error { return c.inner }

// Whether a handler is started again was asked of its error, which ended the process.
func TestAnErrorThatPanicsEndsOneHandlerAndNotTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		poison := func(context.Context, processor.Message) error { return processor.Stop((*cursed)(nil)) }
		s := newService(t, b, service.Restart(time.Hour, time.Hour), queue("fails", poison), queue("works", nothing))
		end := started(t, s)
		synctest.Wait()
		post(t, b, "fails")
		time.Sleep(minute)
		synctest.Wait()
		require.Equal(t, service.Restarting, phases(s)["fails"])
		require.Equal(t, service.Consuming, phases(s)["works"])
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

// A layer whose limit is the process's ended its own handler alone: the process went on, healthily, without anybody on
// that queue.
func TestALimitOfTheProcessEndsAllHandlers(t *testing.T) {
	t.Parallel()
	for name, layer := range map[string]processor.Middleware{
		"maxmessages": maxmessages.New(maxmessages.Max(1)),
		"maxtime":     maxtime.New(maxtime.After(time.Second)),
		"memorylimit": memorylimit.New(1, memorylimit.Every(0)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				limited := queue("limited", nothing)
				limited.Stack = stack.New(layer, ack.New())
				s := newService(t, b, service.Restart(time.Second, minute), limited, queue("other", func(context.Context, processor.Message) error {
					time.Sleep(5 * time.Second)
					return nil
				}), service.Beside("beside", func(ctx context.Context) error { <-ctx.Done(); return nil }))
				ended := make(chan error, 1)
				go func() { ended <- s.Run(t.Context()) }()
				begins(t, s)
				post(t, b, "other")
				synctest.Wait()
				post(t, b, "limited")
				require.NoError(t, <-ended)
				require.Equal(t, uint64(1), s.States()[1].Stats.Done, "what is in flight is finished")
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

// steersAll ends the process at its first message.
type steersAll struct {
	processor.Processor
	process stack.Ender
	end     func(stack.Ender)
}

func (s *steersAll) Start(ctx context.Context) error { s.process = stack.ProcessFrom(ctx); return nil }

func (*steersAll) Stop(context.Context) error { return nil }

func (s *steersAll) Process(ctx context.Context, m processor.Message) error {
	s.end(s.process)
	return s.Processor.Process(ctx, m)
}

func TestALayerEndsTheServiceWithAnError(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(stack.Ender){
		"end":   func(p stack.Ender) { p.End(errMail) },
		"abort": func(p stack.Ender) { p.Abort(errMail) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				steers := queue("steers", nothing)
				steers.Stack = stack.New(func(next processor.Processor) processor.Processor { return &steersAll{Processor: next, end: end} }, ack.New())
				var cut atomic.Bool
				s := newService(t, b, steers, queue("other", func(ctx context.Context, _ processor.Message) error {
					select {
					case <-ctx.Done():
						cut.Store(true)
					case <-time.After(time.Second):
					}
					return ctx.Err()
				}))
				ended := make(chan error, 1)
				go func() { ended <- s.Run(t.Context()) }()
				begins(t, s)
				post(t, b, "other")
				synctest.Wait()
				post(t, b, "steers")
				err := <-ended
				require.ErrorIs(t, err, errMail)
				require.ErrorContains(t, err, `handler "steers"`)
				require.Equal(t, map[string]service.Phase{"steers": service.Failed, "other": service.Stopped}, phases(s))
				require.ErrorIs(t, s.Health(), errMail)
				require.Equal(t, name == "abort", cut.Load())
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

// A handler may consume as well, such as a few of the parked messages. That run has limits of its own.
func TestAConsumerOfAHandlerIsNotTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "parked"}}}))
		s := newService(t, b, queue("commands", func(ctx context.Context, _ processor.Message) error {
			few, err := stack.New(maxmessages.New(maxmessages.Max(1)), ack.New()).ThenFunc(nothing)
			if err != nil {
				return err
			}
			c, err := consumer.New(b.Source("parked"), few)
			if err != nil {
				return err
			}
			return c.Run(ctx)
		}))
		end := started(t, s)
		begins(t, s)
		post(t, b, "parked", "commands")
		synctest.Wait()
		require.Equal(t, map[string]service.Phase{"commands": service.Consuming}, phases(s))
		require.Equal(t, uint64(1), s.States()[0].Stats.Done)
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

// What comes after the end is no reason for it.
func TestTheFirstReasonOfAProcessCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		var process stack.Ender
		steers := queue("steers", nothing)
		steers.Stack = stack.New(func(next processor.Processor) processor.Processor {
			return &steersAll{Processor: next, end: func(p stack.Ender) { process = p }}
		}, ack.New())
		s := newService(t, b, steers, queue("slow", func(context.Context, processor.Message) error {
			time.Sleep(time.Second)
			process.End(errMail)
			return nil
		}))
		end := started(t, s)
		begins(t, s)
		post(t, b, "steers")
		synctest.Wait()
		post(t, b, "slow")
		synctest.Wait()
		require.NoError(t, end())
		require.NoError(t, b.Close(t.Context()))
	})
}

package service_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
)

// chance is a handler's, or a layer's, mood.
type chance struct {
	*rand.Rand
	left int // messages that are not done
}

// handle does one of the things that a handler may do. A message is done once: when it returns nil.
func (c *chance) handle(ctx context.Context, _ processor.Message) error {
	select {
	case <-time.After(time.Duration(c.IntN(2000)) * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	switch c.IntN(10) {
	case 0:
		return processor.Stop(processor.Requeue(errMail))
	case 1:
		panic("a bug")
	case 2:
		return processor.Requeue(errMail)
	}
	c.left--
	return nil
}

// start fails now and then.
func (c *chance) start(context.Context) error {
	if c.IntN(20) == 0 {
		return errMail
	}
	return nil
}

// Whatever fails and whenever it ends, nothing is lost, no goroutine is left (the bubble sees that), and Run
// returns in time.
func TestAnyLifeEndsInTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			b := memory.New()
			var opts []service.Option
			var chances []*chance
			names := []string{"a", "b", "c", "d"}
			for i, name := range names {
				c := &chance{Rand: rand.New(rand.NewPCG(seed, uint64(i)+2)), left: 5}
				chances = append(chances, c)
				opts = append(opts, service.Handler{
					Queue: broker.Queue{Name: name},
					Stack: stack.New(ack.New(ack.RequeueOnError()), func(next processor.Processor) processor.Processor {
						return &starter{next, c.start}
					}, recovery.New()),
					Handle: processor.ProcessorFunc(c.handle),
				})
			}
			switch r.IntN(3) {
			case 0:
				opts = append(opts, service.StopTogether())
			case 1:
				opts = append(opts, service.Restart(100*time.Millisecond, time.Second))
			}
			s := newService(t, b, opts...)
			require.NoError(t, b.Declare(t.Context(), s.Topology()))
			for _, name := range names {
				post(t, b, name, name, name, name, name)
			}
			asked := time.Duration(r.IntN(20_000)) * time.Millisecond
			begun := time.Now()
			time.AfterFunc(asked, s.End)
			if r.IntN(2) == 0 {
				time.AfterFunc(time.Duration(r.IntN(25_000))*time.Millisecond, s.Abort)
			}
			err := s.Run(t.Context())
			synctest.Wait()
			if err != nil {
				require.ErrorIs(t, err, errMail)
			}
			require.LessOrEqual(t, time.Since(begun), asked+25*time.Second)
			for i, name := range names {
				require.Contains(t, []service.Phase{service.Stopped, service.Failed}, s.States()[i].Phase)
				n, err := b.Ready(t.Context(), name)
				require.NoError(t, err)
				require.Equal(t, chances[i].left, n, "seed %d, queue %s", seed, name)
			}
			require.NoError(t, b.Close(t.Context()))
			time.Sleep(time.Minute) // for the timers
		})
	}
}

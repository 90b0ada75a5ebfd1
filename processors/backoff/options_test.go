package backoff_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

var errPublisher = errors.New("it has no connection")

// faulty is a publisher that knows that it cannot work.
type faulty struct{ processortest.Publisher }

func (*faulty) Check() error { return errPublisher }

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	var noOption backoff.PolicyOption
	long := strings.Repeat("k", 256)
	for name, tc := range map[string]struct {
		opts []backoff.Option
		want string
	}{
		"nil option":              {[]backoff.Option{backoff.Retries(1), nil}, "option 2 is nil"},
		"nil policy option":       {[]backoff.Option{backoff.Retries(1), backoff.Retries(2), noOption}, "option 3 is nil"},
		"nil in a policy":         {[]backoff.Option{backoff.Policy(backoff.For(errMail)), backoff.Policy(backoff.For(errMail), nil)}, "policy 2: its options: option 2 is nil"},
		"policy for nothing":      {[]backoff.Option{backoff.Policy(backoff.Retries(2))}, "policy 1: it is for no errors"},
		"negative limit":          {[]backoff.Option{backoff.Retries(-2)}, "Retries is -2"},
		"huge limit":              {[]backoff.Option{backoff.Retries(1 << 31)}, "Retries is 2147483648"},
		"negative limit, policy":  {[]backoff.Option{backoff.Policy(backoff.For(errMail), backoff.Retries(-2))}, "policy 1: Retries is -2"},
		"negative jitter":         {[]backoff.Option{backoff.Jitter(-time.Second)}, "Jitter is -1s"},
		"jitter without its unit": {[]backoff.Option{backoff.Jitter(300)}, "Jitter is 300ns"},
		"no error":                {[]backoff.Option{backoff.For()}, "For has no error"},
		"nil error":               {[]backoff.Option{backoff.For(errMail, nil)}, "For has no error"},
		"nil if":                  {[]backoff.Option{backoff.If(nil)}, "If is nil"},
		"no intervals":            {[]backoff.Option{backoff.Schedule(backoff.Intervals{})}, "Intervals is empty"},
		"empty list":              {[]backoff.Option{backoff.Schedule(backoff.List())}, "List is empty"},
		"negative delay":          {[]backoff.Option{backoff.Schedule(backoff.Fixed(-time.Second))}, "a delay is -1s"},
		"delay without its unit":  {[]backoff.Option{backoff.Schedule(backoff.List(time.Second, 300))}, "a delay is 300ns"},
		"nil func":                {[]backoff.Option{backoff.Schedule(backoff.Func(nil))}, "Func is nil"},
		"exponential from 0":      {[]backoff.Option{backoff.Schedule(backoff.Exponential(0, time.Second))}, "Exponential from 0s"},
		"exponential down":        {[]backoff.Option{backoff.Schedule(backoff.Exponential(time.Minute, time.Second))}, "Exponential from 1m0s to 1s"},
		"no park destination":     {[]backoff.Option{backoff.Park(processor.Destination{})}, "name a queue or an exchange"},
		"final is the work queue": {[]backoff.Option{backoff.Park(processor.Destination{RoutingKey: "mail"})}, "that is the work queue"},
		"final is a step":         {[]backoff.Option{backoff.Jitter(0), backoff.Park(processor.Destination{RoutingKey: "mail.delay.v1.quorum.7s"})}, "that is one of the delays"},
		"final is the ladder":     {[]backoff.Option{backoff.Park(processor.Destination{Exchange: "warren.delay.v1.quorum.100ms.3"})}, "that is one of the delays"},
		"long park key":           {[]backoff.Option{backoff.Park(processor.Destination{RoutingKey: long})}, "over 255 bytes"},
		"long final exchange":     {[]backoff.Option{backoff.Park(processor.Destination{Exchange: long})}, "over 255 bytes"},
		"negative keep trying":    {[]backoff.Option{backoff.KeepTrying(-1)}, "KeepTrying is -1ns"},
		"keep trying, no unit":    {[]backoff.Option{backoff.KeepTrying(300)}, "KeepTrying is 300ns"},
		"steps with jitter":       {[]backoff.Option{backoff.Strategy(delay.Steps())}, "because of Func, or of Jitter (100ms by default, 0 for none)"},
		"steps, computed":         {[]backoff.Option{backoff.Strategy(delay.Steps()), backoff.Jitter(0), backoff.Schedule(backoff.Func(minutes))}, "because of Func, or of Jitter (100ms by default, 0 for none)"},
		"longer than the ladder":  {[]backoff.Option{backoff.Jitter(0), backoff.Strategy(delay.Ladder(delay.Longest(30 * time.Second)))}, "55s asked for"},
		"longer, with jitter":     {[]backoff.Option{backoff.Strategy(delay.Ladder(delay.Longest(30 * time.Second)))}, "55s asked for"},
		"no delayer":              {[]backoff.Option{backoff.Strategy(func(string, []time.Duration) (d delay.Delayer, err error) { return d, err })}, "returned none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stack.New(backoff.New(&processortest.Publisher{}, "mail", tc.opts...)).ThenFunc(succeed)
			require.ErrorContains(t, err, "backoff: ")
			require.ErrorContains(t, err, tc.want)
			_, err = backoff.Topology(broker.Queue{Name: "mail"}, tc.opts...)
			require.ErrorContains(t, err, "backoff: ")
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func minutes(attempt int, _ processor.Message) time.Duration {
	return time.Duration(attempt) * time.Minute
}

func succeed(context.Context, processor.Message) error { return nil }

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := stack.New(backoff.New(nil, "", backoff.Retries(-2), backoff.Policy(backoff.For(errMail), backoff.Jitter(-1)))).ThenFunc(succeed)
	for _, want := range []string{"the publisher is nil", "the queue's name has 0 bytes", "Retries is -2", "policy 1: Jitter is -1ns"} {
		require.ErrorContains(t, err, want)
	}
	_, err = stack.New(backoff.New(&faulty{}, "mail")).ThenFunc(succeed)
	require.ErrorIs(t, err, errPublisher)
	var r recorder // it takes any name
	_, err = stack.New(backoff.New(&processortest.Publisher{}, strings.Repeat("q", 256), backoff.Strategy(r.strategy))).ThenFunc(succeed)
	require.ErrorContains(t, err, "256 bytes")
}

func TestWhatAStrategyRefusesIsRefused(t *testing.T) {
	t.Parallel()
	r := recorder{refuses: errOther}
	_, err := stack.New(backoff.New(&processortest.Publisher{}, "mail", backoff.Strategy(r.strategy))).ThenFunc(succeed)
	require.ErrorIs(t, err, errOther)
}

func TestAStrategyIsToldTheDelaysIfTheyAreKnown(t *testing.T) {
	t.Parallel()
	list := backoff.Schedule(backoff.List(time.Minute, time.Second, time.Minute))
	busy := backoff.For(errBusy)
	for name, tc := range map[string]struct {
		opts []backoff.Option
		want []time.Duration
	}{
		"known":                {[]backoff.Option{list}, []time.Duration{time.Second, time.Minute}},
		"of policies too":      {[]backoff.Option{list, backoff.Policy(busy, backoff.Schedule(backoff.Fixed(time.Hour)))}, []time.Duration{time.Second, time.Minute, time.Hour}},
		"spread":               {[]backoff.Option{list, backoff.Jitter(time.Second)}, nil},
		"computed":             {[]backoff.Option{backoff.Schedule(backoff.Func(minutes))}, nil},
		"spread in a policy":   {[]backoff.Option{list, backoff.Policy(busy, backoff.Jitter(time.Second))}, nil},
		"computed in a policy": {[]backoff.Option{list, backoff.Policy(busy, backoff.Schedule(backoff.Func(minutes)))}, nil},
	} {
		f := newFixture(t, nil, tc.opts...)
		require.Equal(t, tc.want, f.delays.all, name)
		require.Equal(t, "mail", f.delays.queue)
	}
}

func TestTheDefaultStrategy(t *testing.T) {
	t.Parallel()
	list := backoff.Schedule(backoff.List(time.Second, time.Minute))
	for name, tc := range map[string]struct {
		opts []backoff.Option
		want string
	}{
		"known and exact":    {[]backoff.Option{list, backoff.Jitter(0)}, "steps"},
		"nil is the default": {[]backoff.Option{list, backoff.Jitter(0), backoff.Strategy(nil)}, "steps"},
		"exponential":        {[]backoff.Option{backoff.Schedule(backoff.Exponential(time.Second, time.Hour)), backoff.Jitter(0)}, "steps"},
		"by default":         {nil, "ladder"},
		"computed":           {[]backoff.Option{backoff.Schedule(backoff.Func(minutes)), backoff.Jitter(0)}, "ladder"},
		"one is spread":      {[]backoff.Option{list, backoff.Jitter(0), backoff.Policy(backoff.For(errBusy), backoff.Jitter(time.Second))}, "ladder"},
	} {
		require.Contains(t, setting(t, "delays", tc.opts...), tc.want, name)
	}
}

// setting is the named setting of a layer with these options.
func setting(t *testing.T, name string, opts ...backoff.Option) string {
	t.Helper()
	p, err := stack.New(backoff.New(&processortest.Publisher{}, "mail", opts...)).ThenFunc(succeed)
	require.NoError(t, err)
	for _, s := range p.Describe().Layers[0].Settings {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

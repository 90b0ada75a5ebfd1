package delay_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
)

func TestWrongOptionsShowAtOnce(t *testing.T) {
	t.Parallel()
	second := []time.Duration{time.Second}
	long := strings.Repeat("m", 256)
	for name, tc := range map[string]struct {
		strategy delay.Strategy
		queue    string
		all      []time.Duration
		says     string
	}{
		"steps, nil option":           {delay.Steps(delay.Classic(), nil), "mail", second, "option 2 is nil"},
		"steps, unit":                 {delay.Steps(delay.Unit(time.Second)), "mail", second, "Steps has no use for the option Unit"},
		"steps, longest":              {delay.Steps(delay.Longest(time.Hour)), "mail", second, "Steps has no use for the option Longest"},
		"steps, negative length":      {delay.Steps(delay.MaxLength(-1)), "mail", second, "MaxLength is -1"},
		"steps, no queue":             {delay.Steps(), "", second, "has no name"},
		"steps, long queue":           {delay.Steps(), long, second, "256 bytes"},
		"steps, long name":            {delay.Steps(), long[:250], second, "269 bytes"},
		"steps, of a step":            {delay.Steps(), "mail.delay.v1.quorum.1s", second, "give the name of the work queue"},
		"steps, reserved name":        {delay.Steps(), "amq.gen-1", second, "the broker's own"},
		"steps, unknown delays":       {delay.Steps(), "mail", nil, "use Ladder"},
		"steps, no delays":            {delay.Steps(), "mail", []time.Duration{}, "use Ladder"},
		"steps, too long a delay":     {delay.Steps(), "mail", []time.Duration{time.Second, 87600*time.Hour + 1, 0}, "longer than the longest"},
		"steps, the longest duration": {delay.Steps(), "mail", []time.Duration{math.MaxInt64, 1}, "longer than the longest"},

		"ladder, nil option":            {delay.Ladder(nil), "mail", nil, "option 1 is nil"},
		"ladder, negative length":       {delay.Ladder(delay.MaxLength(-1)), "mail", nil, "MaxLength is -1"},
		"ladder, classic and bound":     {delay.Ladder(delay.Classic(), delay.MaxLength(1)), "mail", nil, "leave out Classic or MaxLength"},
		"ladder, no unit":               {delay.Ladder(delay.Unit(0)), "mail", nil, "Unit is 0s"},
		"ladder, negative unit":         {delay.Ladder(delay.Unit(-time.Second)), "mail", nil, "Unit is -1s"},
		"ladder, unit without its unit": {delay.Ladder(delay.Unit(100)), "mail", nil, "Unit is 100ns"},
		"ladder, unit of a fraction":    {delay.Ladder(delay.Unit(1500 * time.Microsecond)), "mail", nil, "Unit is 1.5ms"},
		"ladder, longest below a unit":  {delay.Ladder(delay.Unit(time.Hour), delay.Longest(time.Minute)), "mail", nil, "at least the unit, 1h0m0s"},
		"ladder, longest of 12 ns":      {delay.Ladder(delay.Longest(12)), "mail", nil, "Longest is 12ns"},
		"ladder, longest too long":      {delay.Ladder(delay.Longest(87600*time.Hour + 1)), "mail", nil, "at most ten years"},
		"ladder, the longest duration":  {delay.Ladder(delay.Longest(math.MaxInt64)), "mail", nil, "at most ten years"},
		"ladder, no queue":              {delay.Ladder(), "", nil, "has no name"},
		"ladder, long queue":            {delay.Ladder(), long, nil, "256 bytes"},
		"ladder, of a step":             {delay.Ladder(), "mail.delay.v1.quorum.1s", nil, "give the name of the work queue"},
		"ladder, known delay too long":  {delay.Ladder(delay.Unit(time.Second), delay.Longest(4*time.Second)), "mail", []time.Duration{1, 7*time.Second + 1}, "the option Longest"},
		"ladder, the longest delay":     {delay.Ladder(), "mail", []time.Duration{math.MaxInt64}, "the option Longest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := tc.strategy(tc.queue, tc.all)
			require.ErrorContains(t, err, tc.says)
			require.True(t, strings.HasPrefix(err.Error(), "delay: "), err)
			require.Nil(t, d)
		})
	}
}

func TestAllWrongOptionsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := delay.Ladder(delay.MaxLength(-1), delay.Unit(1), delay.Longest(-1))("", nil)
	for _, says := range []string{"MaxLength", "Unit", "Longest", "no name"} {
		require.ErrorContains(t, err, says)
	}
}

func TestKnownDelaysThatAreTooLongSaySo(t *testing.T) {
	t.Parallel()
	const longest = 87600 * time.Hour
	_, err := delay.Steps()("mail", []time.Duration{longest + 1})
	require.ErrorIs(t, err, delay.ErrTooLong)
	_, err = delay.Ladder()("mail", []time.Duration{longest})
	var tooLong *delay.TooLongError
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, delay.TooLongError{Asked: longest, Longest: (1<<24 - 1) * 100 * time.Millisecond}, *tooLong)
}

func TestTheLongestThereCanBe(t *testing.T) {
	t.Parallel()
	const longest = 87600 * time.Hour
	require.NoError(t, steps(t, []time.Duration{longest}).Topology().Validate())
	for _, unit := range []time.Duration{time.Millisecond, time.Second, longest} {
		d, err := delay.Ladder(delay.Unit(unit), delay.Longest(longest))("mail", []time.Duration{longest})
		require.NoError(t, err)
		require.NoError(t, d.Topology().Validate())
	}
}

func TestALongNameFitsWhereTheLimitIs(t *testing.T) {
	t.Parallel()
	for length, fits := range map[int]bool{236: true, 237: false} {
		d, err := delay.Steps()(strings.Repeat("m", length), []time.Duration{time.Second})
		if !fits {
			require.ErrorContains(t, err, "256 bytes")
			continue
		}
		require.NoError(t, err)
		require.Len(t, d.Topology().Queues[0].Name, 255)
	}
	d, err := delay.Ladder()(strings.Repeat("m", 255), nil)
	require.NoError(t, err)
	require.NoError(t, d.Topology().Validate())
}

package retry

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// delayHolder is the placeholder that needs [Delays].
const delayHolder = "%delay%"

var (
	// known are the placeholders.
	known = regexp.MustCompile(`%(attempts?|delay)%`)
	// placeholder is anything between percent signs that looks like one.
	placeholder = regexp.MustCompile(`%\w+%`)
)

// pattern is a key pattern.
type pattern string

// key is the key of one retry.
func (p pattern) key(attempt int, delay time.Duration) string {
	return known.ReplaceAllStringFunc(string(p), func(holder string) string {
		if holder == delayHolder {
			return short(delay)
		}
		return strconv.Itoa(attempt)
	})
}

// beginning is the prefix of every key; "" for a pattern without a placeholder.
func (p pattern) beginning() string {
	if at := known.FindStringIndex(string(p)); at != nil {
		return string(p)[:at[0]]
	}
	return ""
}

func (p pattern) holdsDelay() bool   { return strings.Contains(string(p), delayHolder) }
func (p pattern) holdsNothing() bool { return !known.MatchString(string(p)) }

// holdsAttempt reports whether each retry has a key of its own.
func (p pattern) holdsAttempt() bool { return p.key(1, 0) != p.key(2, 0) }

// misspelt reports whether there is an unknown placeholder.
func (p pattern) misspelt() bool {
	return placeholder.MatchString(known.ReplaceAllString(string(p), " "))
}

// short is d as in %delay%: hours, minutes, seconds and milliseconds, without those that are 0.
// Names of queues contain it, so its format must not change.
func short(d time.Duration) string {
	var b strings.Builder
	for _, unit := range [...]struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			d %= unit.size
		}
	}
	return b.String()
}

// delay is how long retry attempt waits, 0 if unknown.
func (c *config) delay(attempt int) time.Duration {
	if len(c.delays) == 0 {
		return 0
	}
	return c.delays[min(attempt, len(c.delays))-1]
}

// patternKey is the key of retry attempt by the pattern.
func (c *config) patternKey(attempt int) string { return c.pattern.key(attempt, c.delay(attempt)) }

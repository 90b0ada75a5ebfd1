package retry

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// maxQueues is how many retries are checked one by one, and how many queues for them [Topology]
// lists at most.
const maxQueues = 1000

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("retry: "+format, args...))
	}
	if c.retries < 0 {
		fail("Retries is %d: it must be 0 or more", c.retries)
	}
	errs = append(errs, option.NotNegative("retry: KeepTrying", c.keepTrying))
	if len(c.parkKey) > processor.MaxName || len(c.exchange) > processor.MaxName {
		fail("the park key or exchange is over %d bytes: shorten it", processor.MaxName)
	}
	if c.queueType != "" && c.queueType != broker.Classic && c.queueType != broker.Quorum {
		fail("QueueType is %q: it must be broker.Classic or broker.Quorum", c.queueType)
	}
	if c.counter == republish.CounterPrefix || len(c.counter) > processor.MaxName {
		fail("the header of Counter has %d bytes: its name must not be empty, nor that over %d", len(c.counter), processor.MaxName)
	}
	if c.maxLength < 0 {
		fail("MaxLength is %d: it must be 0 or more", c.maxLength)
	}
	if c.back != nil {
		errs = append(errs, c.back.problem())
	}
	if problem := c.delayProblem(); problem != nil {
		return errors.Join(append(errs, problem)...) // there are no keys without delays
	}
	return errors.Join(append(errs, c.keyProblem())...)
}

// delayProblem says which delay is impossible for a queue.
func (c *config) delayProblem() error {
	if c.delays != nil && len(c.delays) == 0 {
		return errors.New("retry: Delays has none: give one for each retry, or leave it out")
	}
	for _, d := range c.delays {
		if problem := option.Unit("retry: a delay", d, time.Millisecond); problem != nil {
			return problem
		}
		if d <= 0 || d%time.Millisecond != 0 {
			return fmt.Errorf("retry: Delays has %v: a delay must be a whole number of milliseconds, and more than 0", d)
		}
	}
	return nil
}

// keyProblem says why there cannot be a key for each retry.
func (c *config) keyProblem() error {
	switch {
	case c.retries <= 0 && c.parkKey != "":
		return nil // every failure is parked, and no key is ever made
	case c.retries <= 0:
		return errors.New("retry: there are no retries and no park key: set one of them")
	case c.keyFunc != nil && c.pattern != "":
		return fmt.Errorf("retry: key pattern %q and Keys are both set: keep one of them", c.pattern)
	case c.keyFunc != nil && c.delays != nil:
		return errors.New("retry: Keys and Delays are both set: only a key pattern can follow Delays; keep one of them")
	case c.keyFunc != nil:
		return nil
	case c.pattern == "":
		return errors.New("retry: the key pattern is empty: give one such as mail_retry_%attempt%")
	case c.pattern.misspelt():
		return fmt.Errorf("retry: key pattern %q has a placeholder that is not known: only %%attempt%% is (%%attempts%% means the same), and %%delay%%", c.pattern)
	case c.pattern.holdsDelay() && c.delays == nil:
		return fmt.Errorf("retry: key pattern %q has %%delay%%, and nothing says what the delays are: set Delays", c.pattern)
	case c.retries > 1 && c.pattern.holdsNothing() && c.delays == nil:
		return fmt.Errorf("retry: key pattern %q has no %%attempt%%, so %d retries would share one key and one delay: add it, or set Retries(1)", c.pattern, c.retries)
	}
	return c.eachKeyProblem()
}

// eachKeyProblem checks the keys themselves.
func (c *config) eachKeyProblem() error {
	if len(c.patternKey(c.retries)) > processor.MaxName {
		return fmt.Errorf("retry: the key pattern makes keys of over %d bytes: shorten it", processor.MaxName)
	}
	if c.returnsBy(c.parkKey) {
		return fmt.Errorf("retry: park key %q is that of Return on the same exchange: a parked message would come back for ever; use another key", c.parkKey)
	}
	delays := map[string]time.Duration{}
	for n := 1; n <= min(c.retries, maxQueues); n++ {
		key, delay := c.patternKey(n), c.delay(n)
		if key == c.parkKey {
			return fmt.Errorf("retry: park key %q is also the key of retry %d: a parked message would come back for ever", key, n)
		}
		if c.returnsBy(key) {
			return fmt.Errorf("retry: key %q is that of retry %d, and that of Return on the same exchange: the retry would come back at once as well; use another exchange, or another key", key, n)
		}
		if before, shared := delays[key]; shared && before != delay {
			return fmt.Errorf("retry: key %q is that of a retry after %v and of one after %v: put %%attempt%% or %%delay%% into the key pattern", key, before, delay)
		}
		delays[key] = delay
	}
	return nil
}

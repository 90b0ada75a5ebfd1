package watermill

import (
	"errors"
	"log/slog"

	"github.com/gowarren/warren/internal/option"
)

// Option changes how a stack handles a router's messages.
type Option func(*config)

type config struct {
	dead   DeadLetter
	log    *slog.Logger
	onStop func(error)
}

// Logger sets where events that a router does not see are logged: messages that are acked although
// they failed, and stops that have no effect. Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// OnStop sets what is called when a processor stops the run: with nil after [processor.ErrStop],
// with the error after [processor.Stop]. A stack cannot end a router:
//
//	watermill.OnStop(func(error) { _ = router.Close() })
//
// It is called once, in a goroutine of its own, because closing a router waits for its handlers; a
// panic is logged. Default, also for nil: none, and the stop is logged.
func OnStop(f func(err error)) Option { return func(c *config) { c.onStop = f } }

func newConfig(dead DeadLetter, opts []Option) (config, error) {
	c := config{dead: dead}
	err := option.Apply("watermill", &c, opts)
	return c, errors.Join(checkDead(dead), err)
}

func checkDead(dead DeadLetter) error {
	if dead == nil {
		return errors.New("watermill: there is no place for rejected messages: pass Poison with a publisher and a topic, Discard, or a DeadLetter of your own")
	}
	return nil
}

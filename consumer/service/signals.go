package service

import (
	"os"
	"os/signal"
)

// listen calls one function after the other, each on a signal, until stop is called.
func listen(signals []os.Signal, acts ...func(os.Signal)) (stop func()) {
	if len(signals) == 0 {
		return func() {}
	}
	received := make(chan os.Signal, len(acts)) // more have no meaning
	quit, ended := make(chan struct{}), make(chan struct{})
	signal.Notify(received, signals...)
	go func() {
		defer close(ended)
		defer signal.Stop(received)
		for _, act := range acts {
			select {
			case sig := <-received:
				act(sig)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

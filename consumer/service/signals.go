package service

import (
	"log/slog"
	"os"
	"os/signal"
)

// listen ends the service on the first signal, and aborts it on the second, until stop is called.
func (s *Service) listen() (stop func()) {
	if len(s.signals) == 0 {
		return func() {}
	}
	received := make(chan os.Signal, 2) // only two have a meaning
	quit, ended := make(chan struct{}), make(chan struct{})
	signal.Notify(received, s.signals...)
	go func() {
		defer close(ended)
		defer signal.Stop(received)
		for _, act := range []func(os.Signal){s.first, s.second} {
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

func (s *Service) first(sig os.Signal) {
	s.end()
	s.logger().Info("signal received, the service ends after the messages in flight; another one cuts them short",
		slog.String("signal", sig.String()))
}

func (s *Service) second(sig os.Signal) {
	s.Abort()
	s.logger().Warn("second signal received, the messages in flight are cut short; another one ends the process",
		slog.String("signal", sig.String()))
}

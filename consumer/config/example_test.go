package config_test

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/consumer/config"
)

func Example() {
	file := `
brokers: [amqp://app:secret@rabbit-1/, amqp://app:secret@rabbit-2/]
workers: 10
imports:
  folder: /srv/in
settings:
  mail.timeout: 30s
`
	imports := struct {
		Folder string
		Every  time.Duration
	}{Every: time.Minute}
	cfg, err := config.Parse("worker.yaml", []byte(file), config.Section("imports", &imports),
		config.Requires[time.Duration]("mail.timeout"), config.Environ([]string{"WARREN_IMPORTS__EVERY=5s"}))
	fmt.Println(err)
	fmt.Println(cfg)
	fmt.Println(imports.Folder, imports.Every)

	_, err = config.Parse("worker.yaml", []byte("worker: 10\ndrain_timeout: 20\n"), config.Environ([]string{"WARREN_BROKERS=amqp://localhost/"}))
	fmt.Println(err)
	// Output:
	// <nil>
	// worker.yaml: brokers [amqp://rabbit-1:5672/%2F amqp://rabbit-2:5672/%2F], workers 10, settings [mail.timeout]
	// /srv/in 5s
	// config: worker.yaml:1: worker: unknown, do you mean workers?
	// config: worker.yaml:2: drain_timeout: is the number 20: a duration such as 20s is needed, with its unit
}

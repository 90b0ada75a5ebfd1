// Package config reads the configuration of a worker process from a file, YAML or TOML, and from the environment.
//
//	var imports struct { Folder string; Every time.Duration }
//	cfg, err := config.Load("worker.yaml", config.Section("imports", &imports))
//	if err != nil {
//		return err
//	}
//	slog.SetDefault(cfg.Logger(os.Stderr))
//	b, err := rabbitmq.Open(ctx, cfg.Brokers())
//	...
//	c, err := consumer.New(b.Source("mail"), pipeline, cfg.Consumer()...)
//	...
//	return c.Run(cfg.Context(ctx))
//
// With package service it is service.Run(cfg.Context(ctx), b, service.Consumers(cfg.Consumer()...), handlers...).
//
// # A file
//
//	# The nodes of a cluster. A URL without a password has that of password, or of the file
//	# that password_file names.
//	brokers:
//	  - amqp://app@rabbit-1/
//	  - amqp://app@rabbit-2/
//	password_file: /run/secrets/rabbitmq
//
//	workers: 10          # messages at once
//	prefetch: 40         # unsettled messages, at least as many as workers
//	drain_timeout: 20s   # for messages in flight at the end
//
//	log:
//	  level: info        # debug, info, warn or error
//	  format: json       # or text
//
//	# What handlers read, by config.Setting[time.Duration](ctx, "imports.timeout").
//	settings:
//	  imports.timeout: 30s
//	  smtp:
//	    host: mail.example.org
//	    password_file: /run/secrets/smtp
//
// Only brokers is needed. What is not set has the default of the package that uses it: see [consumer.Workers],
// [consumer.Prefetch], [consumer.DrainTimeout]; the log is text, from info on. TOML has the same keys. In
// settings a dot in a key is a table: imports.timeout above is timeout in imports. Whole numbers are decimal, or have 0x,
// 0o or 0b, here and in the environment; one that begins with another 0 is refused.
//
// # The environment
//
// Each key has a variable, which comes before the file: WARREN_ and the key in capital letters, with two
// underscores between tables and - as _.
//
//	WARREN_BROKERS="amqp://app@rabbit-1/;amqp://app@rabbit-2/"
//	WARREN_PASSWORD_FILE=/run/secrets/rabbitmq
//	WARREN_WORKERS=10
//	WARREN_LOG__LEVEL=debug
//	WARREN_SETTINGS__IMPORTS__TIMEOUT=30s
//
// A list of texts or numbers has ; between them. A list of tables can be set in the file only. An empty
// variable is as none. Variables that Kubernetes sets in every pod where a service is named warren, such as
// WARREN_PORT, are no mistakes.
//
// # Secrets
//
// Instead of a key that is a text, a number or a list of them, key_file can name a file that has the value,
// as Docker and Kubernetes mount secrets: smtp.password_file above is read by Setting[string](ctx,
// "smtp.password"). The end of the last line is no part of it. A relative path in the file is relative to its
// folder, and one of the environment to that of the process. Only regular files of at most 64 KiB are read,
// and once. In a map, whose keys are the program's own, no key names a file.
//
// Nothing prints a secret: neither a [Config], nor [URLs], nor a [Secret], which is a type for fields of a
// program's own. Errors show a value only if neither its key nor the value looks like a secret, and never one
// from such a file.
//
// # Mistakes
//
// Everything that is wrong is one error, each with the file and line or the variable:
//
//	config: WARREN_LOG_LEVEL: unknown, do you mean WARREN_LOG__LEVEL?
//	config: worker.yaml:7: logs: unknown, do you mean log?
//	config: worker.yaml:9: drain_timeout: is the number 20: a duration such as 20s is needed, with its unit
//	config: worker.yaml:8: prefetch: is 4: it must not be below workers, 10
//
// A file that is no YAML or TOML gives that error alone.
//
// Unknown keys and variables are errors, in a [Section] too. A setting is free, so that a wrong one is found when it is
// read: [Requires] has [Load] read it.
//
// # No reloading
//
// A Config does not change. The workers, the prefetch and the queues of a consumer are made at its start, and
// half of a new configuration is none. To change it start the process anew: the old one drains, and what it
// has not begun goes to the new one.
package config

package verify

// Option changes what [Topology] looks at.
type Option func(*options)

type options struct {
	inPlace  int
	consumed []string
	managed  bool
	urls     []string
}

// Management lets [Topology] also ask RabbitMQ's management plugin: the only way to see bindings,
// policies and queues that are not in the plan. A URL is that of the web interface, with the name
// and password of a user who has the tag management:
//
//	https://user:password@rabbit-1.example.com:15671
//
// Without credentials they are guest's. Several URLs are tried in turn until one answers all
// questions. The vhost is that of the broker's own connection. A proxy is taken from the
// environment, certificates from the system; redirects are not followed. Each URL has 30 s, and an
// answer may have 64 MiB. A policy is seen some seconds after it was set. Default: no management;
// AMQP alone.
func Management(urls ...string) Option {
	return func(o *options) { o.managed, o.urls = true, append(o.urls, urls...) }
}

// InPlace says how often the consumer's stack requeues a message before it gives it up: a quorum
// queue with a lower delivery limit gives it up first. Queues are those consumed like this; without
// any, all that are not delays. Default, also for 0: unknown.
func InPlace(n int, queues ...string) Option {
	return func(o *options) { o.inPlace, o.consumed = n, queues }
}

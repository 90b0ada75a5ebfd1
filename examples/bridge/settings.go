package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/writefiles"
	"github.com/gowarren/warren/publisher/readfiles"
)

// exchange is where files are sent to and queues are bound, unless an entry names another.
const exchange = "amq.topic"

// settings are what the bridge does, besides what every process is told.
type settings struct {
	*config.Config
	read  []reading
	write []writing
}

// reading is a directory whose files are published.
type reading struct {
	Directory   string
	RoutingKey  string
	Exchange    string
	ContentType *string
}

// Check returns what is missing.
func (r reading) Check() error {
	return errors.Join(needed("directory", r.Directory), needed("routing_key", r.RoutingKey))
}

// writing is a queue whose messages are written into a directory.
type writing struct {
	Queue     string
	Keys      []string
	Exchange  string
	Directory string
	Pattern   *string
	Type      broker.QueueType
	Arguments map[string]any
}

// Check returns what is missing.
func (w writing) Check() error {
	return errors.Join(needed("directory", w.Directory), needed("queue", w.Queue))
}

func needed(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is not set", key)
	}
	return nil
}

// load reads the configuration. text nil: it is in the file.
func load(file string, text []byte, opts ...config.Option) (*settings, error) {
	s := &settings{}
	opts = append(opts, config.Section("read", &s.read), config.Section("write", &s.write))
	var err error
	if text == nil {
		s.Config, err = config.Load(file, opts...)
	} else {
		s.Config, err = config.Parse(file, text, opts...)
	}
	if err == nil && len(s.read)+len(s.write) == 0 {
		err = fmt.Errorf("%s: there is nothing to do: list directories under the keys read and write", file)
	}
	return s, err
}

// handler returns the handler of a queue. A message whose files cannot be written is tried again, and then
// parked; while the disk is full all wait.
func (w writing) handler(p processor.Publisher) service.Handler {
	var opts []writefiles.Option
	if w.Pattern != nil {
		opts = append(opts, writefiles.Pattern(*w.Pattern))
	}
	schedule := []retry.Option{retry.Delays(30*time.Second, 3*time.Minute), retry.ParkKey(w.Queue + "_parked")}
	h := service.Handler{
		Queue: broker.Queue{Name: w.Queue, Type: cmp.Or(w.Type, broker.Quorum), Arguments: w.Arguments},
		Keys:  w.Keys,
		Stack: stack.New(
			ack.New(),
			retry.New(p, w.Queue+"_retry_%delay%", schedule...),
			recovery.New(),
		),
		Handle: writefiles.Handler(w.Directory, opts...),
	}
	if len(w.Keys) > 0 {
		h.Exchange = broker.Exchange{Name: cmp.Or(w.Exchange, exchange)}
	}
	return h
}

// reader returns the reader of a directory.
func (r reading) reader(p processor.Publisher, drain time.Duration) (*readfiles.Reader, error) {
	opts := []readfiles.Option{readfiles.DrainTimeout(drain)}
	if r.ContentType != nil {
		opts = append(opts, readfiles.ContentType(*r.ContentType))
	}
	to := processor.Destination{Exchange: cmp.Or(r.Exchange, exchange), RoutingKey: r.RoutingKey}
	return readfiles.New(r.Directory, p, to, opts...)
}
